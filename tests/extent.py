"""How much the heavy tests try: a short form in every run, the long one under FULL=1."""

import os

__all__ = ["FULL", "extent"]

FULL = os.environ.get("FULL") == "1"


def extent(short: int, long: int) -> int:
    """Return how many cases to try in the form that runs."""
    return long if FULL else short
