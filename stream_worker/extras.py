"""How to install the optional parts of this package, which is in no index."""

from __future__ import annotations


def install_hint(extras: str) -> str:
    """Return what to type, and where, for these extras (separated by commas)."""
    return f"in the checkout: pip install '.[{extras}]'"
