"""Seeds derived from names, so that random numbers depend on what they are for alone."""

import hashlib

__all__ = ["derive_seed"]


def derive_seed(*parts: int | str, bits: int = 31) -> int:
    """Return a seed in [0, 2**bits) that depends on the parts and their order alone."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> (64 - bits)
