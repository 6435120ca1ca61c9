"""The demo's real input: raw KMTNet light curves of KMT-2018-BLG-0003, cut while the event rises."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from stream_worker.ingest.build import Star

NAME = "KMT-2018-BLG-0003"
T_CUT = 8210.0
STAR = Star(star_id=NAME, ra=264.6, dec=-28.4)
"""The files don't give the position: this is the centre of field 14 (of the synthetic tiling)."""


class RealEventMissing(Exception):
    """The light curves are not on this machine; the message says how to get them."""


def light_curve_files(folder: Path | None = None) -> list[Path]:
    """The six pySIS files, from ``folder`` or from the installed MulensModel package.

    Raises
    ------
    RealEventMissing
        Neither has them.
    """
    if folder is None:
        spec = find_spec("MulensModel")
        if spec is None or spec.origin is None:
            raise RealEventMissing(
                f"the light curves of {NAME} come with the package MulensModel, which is not installed:"
                " pip install MulensModel, or name a folder with --real-event"
            )
        folder = Path(spec.origin).parent / "data" / "photometry_files" / "KB180003"
    files = sorted(folder.glob("KMT*_I.pysis"))
    if not files:
        raise RealEventMissing(f"no KMT*_I.pysis files in {folder}")
    return files
