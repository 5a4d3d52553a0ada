"""Floor 1: what a study is - its configuration, grid and paths."""
