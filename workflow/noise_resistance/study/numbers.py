"""The one way a number is written in paths, tables and messages."""

from decimal import Decimal

__all__ = ["NUMBER_PATTERN", "format_bytes", "format_number"]

NUMBER_PATTERN = r"(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?"


def format_number(value: float) -> str:
    """Write a number the one way it is written in paths, tables and columns: ``0.00075``.

    Args:
        value: finite, >= 0.
    """
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_bytes(count: float) -> str:
    """Write a size for people: ``720 B``, ``3.4 kB``, ``12.0 GB``; a kB is 1,000 bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.95 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
