"""Runs the RUN lines of a stage of the Dockerfile as they stand, in a folder instead of a container."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction with its continuation lines joined."""

    name: str
    text: str


def stages() -> dict[str, list[Instruction]]:
    """Every stage by name; its first instruction is FROM."""
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for instruction in _instructions((ROOT / "Dockerfile").read_text()):
        if instruction.name == "FROM":
            current = found.setdefault(instruction.text.split(" AS ")[-1], [])
        current.append(instruction)
    return found


def _instructions(text: str) -> Iterator[Instruction]:
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield Instruction(name, re.sub(r"\s+", " ", rest.strip()))


def install(stage: str, venv: Path) -> None:
    """Run the steps that make a stage's environment; the sources are this tree's.

    Raises
    ------
    AssertionError
        A step failed; the text is what it said.
    """
    uv = Path(sys.executable).parent
    environ = {
        "PATH": f"{uv}:{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "VENV": str(venv),
        "UV_PYTHON": sys.executable,
    } | {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
    for instruction in stages()[stage]:
        if instruction.name == "RUN":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", instruction.text],
                cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{instruction.text}\n{done.stdout}{done.stderr}"


def installed_bytes(venv: Path) -> int:
    """Size of an environment on disk."""
    return sum(path.lstat().st_size for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
