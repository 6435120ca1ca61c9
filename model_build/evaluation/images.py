"""Some figures of an evaluation as files of their own, for pages that can't hold the report."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model_build.evaluation.evaluate import Evaluation
from model_build.evaluation.set_drawings import draw_visibility
from model_build.evaluation.stream_drawings import draw_event_probability, draw_stream

_DPI: Final = 100


def write_images(folder: Path, evaluation: Evaluation) -> tuple[Path, ...]:
    """Write ``stream.png``, ``p_event.png`` and ``visibility.png``, those that were evaluated.

    On white, so that they can be read on any page. Each replaces an older one whole.

    Raises
    ------
    OSError
        If one can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_write(folder / f"{name}.png", figure) for name, figure in _figures(evaluation).items())


def _figures(evaluation: Evaluation) -> Mapping[str, Figure]:
    figures: dict[str, Figure] = {}
    if evaluation.stream is not None:
        of_stream = evaluation.stream[1]
        figures |= {"stream": draw_stream(of_stream), "p_event": draw_event_probability(of_stream)}
    if evaluation.training_set is not None and evaluation.training_set.visibility is not None:
        figures["visibility"] = draw_visibility(evaluation.training_set.visibility)
    return figures


def _write(path: Path, figure: Figure) -> Path:
    image = io.BytesIO()
    FigureCanvasAgg(figure)  # becomes the figure's canvas
    figure.savefig(image, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(image.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
