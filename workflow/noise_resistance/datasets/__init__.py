"""Floor 2: data sets, from their published archives to one checked file each."""
