"""Floor 2: what analog weight noise is, and nothing of how it is run."""
