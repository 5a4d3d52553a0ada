"""The store: what was computed, kept by what it was computed from."""
