"""How the tests are shared out among the workers of `make test`: in units, the longest first.

A unit is a file, or a folder of `FOLDERS`: its tests run on one worker, one after the other.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

FOLDERS = ("tests/integration/",)
"""Folders whose tests share something that is dear to make, such as a broker."""
FIRST = (*FOLDERS, "tests/e2e/", "tests/unit/model_build/")
"""Where the long units are; the short ones come last and fill the gaps."""


def work_unit(nodeid: str) -> str:
    """Name of the unit of a test."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in FOLDERS if file.startswith(folder)), file)


def start_order(nodeid: str) -> int:
    """Rank of a test: those of a lower one start earlier."""
    return next((rank for rank, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


class WorkUnits(LoadScopeScheduling):
    """Gives a free worker the next unit, in the order of the collected tests."""

    def __init__(self, config, log=None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return work_unit(nodeid)
