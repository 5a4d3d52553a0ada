"""Floor 0: files that are whole or absent, and what made them."""
