"""The one way a number is written in paths, tables and messages."""

from decimal import Decimal

__all__ = ["NUMBER_PATTERN", "format_number"]

NUMBER_PATTERN = r"(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?"


def format_number(value: float) -> str:
    """Write a number the one way it is written in paths, tables and columns: ``0.00075``.

    Args:
        value: finite, >= 0.
    """
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
