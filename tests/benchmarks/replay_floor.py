"""What the preprocessing of an archive can't do without: the bare numpy calls on its own rows."""

from __future__ import annotations

import os

import bottleneck as bn
import numpy as np
from replay_breakdown import Clock, prepared_sample, sample

from stream_worker.offline import open_steps
from stream_worker.preprocessing import COLUMNS
from stream_worker.preprocessing.light_curve import Float64Array
from stream_worker.settings import load_settings


def numpy_floor(paths: list[str]) -> dict[str, float]:
    """Milliseconds per candidate of what no preprocessing with numpy can do without, on the same rows.

    Nothing but the calls themselves: no rule, no report, no overlapping fields, no missing value.
    """
    settings = load_settings(os.environ, overrides={"inference": {"intra_op_threads": 1}})
    steps = open_steps(settings)
    clock = Clock()
    branches = prepared_sample(steps, sample(paths))
    for one in branches:
        for site in filter(len, one):
            _bare_numpy(np.ascontiguousarray(site.T, dtype=np.float64), clock)
    return {name: 1000 * seconds / len(branches) for name, seconds in clock.seconds.items()}


def _bare_numpy(channels: Float64Array, clock: Clock) -> None:
    narrow = channels[: len(COLUMNS)].astype(np.float32)
    flux, mean, sd = channels[1], np.zeros(len(channels)), np.full(len(channels), 3.0)
    with clock.step("float32 to float64"):
        wide = narrow.astype(np.float64)
    with clock.step("drop rows"):
        wide.compress(wide[0] == wide[0], axis=1)
    with clock.step("running median"):
        bn.move_median(flux, min(11, flux.size))
    with clock.step("sort five columns"):
        np.sort(wide[2:], axis=1)
    with clock.step("four medians"):
        for _ in range(4):
            flux.copy().sort()
    with clock.step("line through the rise"):
        weight = 1.0 / np.square(wide[2])
        np.dot(weight, flux) / weight.sum()
        np.dot(weight * wide[0], wide[0])
        np.dot(weight * wide[0], flux)
    with clock.step("asinh of two channels"):
        np.arcsinh(channels[1:3])
    with clock.step("standardise"):
        inputs = ((channels.T - mean) / sd).astype(np.float32, order="C")
        np.minimum(np.maximum(inputs, -100.0, out=inputs), 100.0, out=inputs)
        np.isnan(inputs).any()
