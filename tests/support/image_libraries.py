"""What an image's environment lacks of what is installed here, hidden from the commands that it is to run."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.dockerfile import stages

OWN = "lensnet"
_SITECUSTOMIZE = """\
import sys
from importlib.machinery import PathFinder

HIDDEN = frozenset({hidden!r})


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
"""


def image_extras(image: str) -> set[str]:
    """Extras of the package that the Dockerfile installs into an image."""
    (line,) = [step.text for step in stages()[f"{image}-environment"] if "uv pip install" in step.text]
    return set(re.search(r'"\.\[([a-z,]+)\]"', line)[1].split(","))


def distributions(extras: set[str]) -> set[str]:
    """The package with these extras and all that they need."""
    found: set[tuple[str, str]] = set()
    waiting = [(OWN, extra) for extra in ("", *extras)]
    while waiting:
        name, extra = one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        try:
            needed = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:  # of another platform
            continue
        for requirement in needed:
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needs = canonicalize_name(requirement.name)
                waiting += [(needs, wanted) for wanted in ("", *requirement.extras)]
    return {name for name, _ in found}


def absent_modules(image: str) -> set[str]:
    """Modules that can be imported here, but not in an image."""
    there = distributions(image_extras(image))
    return {
        module
        for module, owners in packages_distributions().items()
        if not there & {canonicalize_name(owner) for owner in owners}
    }


def hide(image: str, folder: Path) -> dict[str, str]:
    """Environment in which Python, and every Python that it starts, has only what an image has."""
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(hidden=sorted(absent_modules(image))))
    return {"PYTHONPATH": str(folder)}
