"""Where the labelled stars are: on the sky with the fields, and on the chips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from model_build.season.footprint import CHIP_PX, CHIPS, Centre, Pixel, to_sky
from model_build.season.truth import TruthRow
from model_build.season_report.look import CLASS_COLOURS, LABELS, hide, legend, name, panels, point_size
from stream_worker.report_page import Section, figure, heading

_COLUMNS: Final = 4
_CORNERS: Final = ((0.0, 0.0), (CHIP_PX, 0.0), (CHIP_PX, CHIP_PX), (0.0, CHIP_PX), (0.0, 0.0))


def map_section(fields: Mapping[str, Centre], rows: Sequence[TruthRow]) -> Section:
    """Maps of the sky by class and of the detector by hidden kind."""
    lead = (
        "Labelled stars of this archive. On the chips, artefacts gather about the objects that cause them: "
        "along columns, in crosses about bright stars, in groups about variables."
    )
    stars = list({row.star_id: row for row in rows if row.label is not None}.values())
    body = (
        figure(
            sky_map(fields, stars),
            "Labelled stars on the sky, one map for each class, with the chips of all fields",
        )
        + heading("On the chips, by hidden kind")
        + figure(
            detector_map(stars), "Labelled stars on the chip, all chips laid over each other, by hidden kind"
        )
    )
    return Section("Maps", lead, body)


def sky_map(fields: Mapping[str, Centre], stars: Sequence[TruthRow]) -> Figure:
    """RA and Dec of each class; outlines of the chips behind."""
    fig, axes = panels(1, len(LABELS), 4.2, shared=True)
    middle = float(np.mean([centre.dec for centre in fields.values()]))
    for ax, label in zip(axes, LABELS, strict=True):
        for centre in fields.values():
            for chip in CHIPS:
                corners = [to_sky(centre, Pixel(chip, x, y)) for x, y in _CORNERS]
                ax.plot(*zip(*corners, strict=True), color="#b8bcc2", lw=0.4)
        its = [star for star in stars if star.label == label]
        ax.plot(
            [s.ra for s in its],
            [s.dec for s in its],
            ".",
            color=CLASS_COLOURS[label],
            ms=point_size(len(its)),
            mew=0,
        )
        ax.set_aspect(1.0 / math.cos(math.radians(middle)))
        name(ax, "RA, deg", "Dec, deg" if label == LABELS[0] else "", f"{label.capitalize()}: {len(its):,}")
    axes[0].invert_xaxis()
    return fig


def detector_map(stars: Sequence[TruthRow]) -> Figure:
    """Pixels of the stars of each hidden kind, coloured by class, all chips in one."""
    kinds = sorted({star.kind for star in stars})
    rows = max(math.ceil(len(kinds) / _COLUMNS), 1)
    fig, axes = panels(rows, _COLUMNS, 0.6 + 2.1 * rows, shared=True)
    hide(axes[len(kinds) :])
    for ax, kind in zip(axes, kinds, strict=False):
        its = [star for star in stars if star.kind == kind]
        for label in reversed(LABELS):
            x, y = ([getattr(s, axis) for s in its if s.label == label] for axis in ("x", "y"))
            ax.plot(
                x,
                y,
                ".",
                color=CLASS_COLOURS[label],
                ms=point_size(len(its)),
                mew=0,
                label=label.capitalize(),
            )
        ax.set(
            xlim=(0, CHIP_PX),
            ylim=(0, CHIP_PX),
            aspect="equal",
            xticks=(0, 4500, 9000),
            yticks=(0, 4500, 9000),
        )
        name(ax, title=f"{kind}: {len(its):,}")
    if kinds:
        legend(fig, axes[0], len(LABELS))
    return fig
