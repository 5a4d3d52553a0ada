"""Floor 1: what a study is - its configuration, grid, paths and what makes a result stale."""
