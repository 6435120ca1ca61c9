"""What is wrong with an input, said precisely."""

from __future__ import annotations

from pathlib import Path


class BadInput(ValueError):
    """An input of the realism report is missing or wrong: where, which value, what was expected."""

    def __init__(self, path: Path, where: str, value: str, expected: str) -> None:
        place = f"{path}, {where}" if where else f"{path}"
        super().__init__(f"{place}: {value}: expected {expected}")
        self.path = path
