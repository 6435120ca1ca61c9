"""Which real stars there are: groups, their folders and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from model_build.progress import Progress
from model_build.real_curves.events import read_kmtnet, read_ogle_ii, read_ogle_iv
from model_build.real_curves.star import RealStar
from model_build.real_curves.variables import read_eros, read_ogle_variables, read_rr_lyrae, read_supernovae
from model_build.realism.faults import BadInput
from model_build.season.config import FieldConfig


@dataclass(frozen=True, slots=True)
class Source:
    """A folder below that of all real light curves, and its reader."""

    folder: str
    read: Callable[[Path], Iterator[RealStar]]


def sources(fields: Mapping[str, FieldConfig], progress: Progress) -> tuple[Source, ...]:
    """Return all sources; ``fields`` are the survey's, ``progress`` hears of the fits to OGLE-II events."""
    fitted = partial(progress, "OGLE-II events fitted")
    return (
        Source("kmtnet", partial(read_kmtnet, fields=fields)),
        Source("ogle-iv-2025", partial(read_ogle_iv, with_auxiliaries=False)),
        Source("ogle-iv-2025", partial(read_ogle_iv, with_auxiliaries=True)),
        Source("ogle-ii", partial(read_ogle_ii, progress=fitted)),
        Source("variables/eros1", read_eros),
        Source("variables/rrlyrae", read_rr_lyrae),
        Source("variables/snia", read_supernovae),
        Source("variables/microlia/variables", read_ogle_variables),
    )


def read_stars(directory: Path, fields: Mapping[str, FieldConfig], progress: Progress) -> list[RealStar]:
    """Read every source that is there.

    Raises
    ------
    BadInput
        If a file is wrong, or no source is there.
    """
    found = sources(fields, progress)
    there = [source for source in found if (directory / source.folder).is_dir()]
    if not there:
        names = ", ".join(dict.fromkeys(source.folder for source in found))
        raise BadInput(directory, "", "no folder of light curves", f"some of {names}")
    return [star for source in there for star in source.read(directory / source.folder)]
