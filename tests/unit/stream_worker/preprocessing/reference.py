"""The loops over rows once more, in plain numpy, as they read in the docstrings: to be compared with."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from stream_worker.preprocessing.report import ROW_RULES

HJD, FLUX, FLUX_ERR, SKY, FWHM, AIRMASS, PSF = range(7)


def stack(parts):
    """Columns of all parts side by side; absurd values are NaN, but for HJD."""
    columns = np.concatenate(
        [
            [np.full(len(part[0]), np.nan) if values is None else values.astype(float) for values in part]
            for part in parts
        ]
        or [np.empty((7, 0))],
        axis=1,
    )
    columns += 0.0
    others = columns[1:]
    others[~(np.abs(others) < 1e30)] = np.nan
    return columns


def judge(columns):
    """Rule that each row breaks."""
    hjd, flux, flux_err = columns[:3]
    broken = {
        "not_finite": ~((np.abs(hjd) < 1e30) & np.isfinite(flux) & np.isfinite(flux_err)),
        "flux_err": flux_err < 1e-30,
        "psf_quality": (columns[PSF] < 0) | (columns[PSF] > 100),
        "fwhm": columns[FWHM] < 0,
        "duplicate": np.zeros(hjd.size, dtype=bool),
    }
    return np.select([broken[name] for name in ROW_RULES], range(1, 6), 0)


def interleave(columns, source, other, its_source, offset):
    """Rows of both in time order, those of the first where both have an HJD."""
    new = ~np.isin(other[HJD], columns[HJD])
    moved = other[:, new].copy()
    moved[FLUX] += offset
    both = np.concatenate([columns, moved], axis=1)
    order = np.argsort(both[HJD])
    return both[:, order], np.concatenate([source, np.full(moved.shape[1], its_source)])[order]


def night_differences(one, other, longitude):
    """Difference of the weighted mean fluxes in each common night."""
    nights = [np.floor(columns[HJD] + longitude / 360) for columns in (one, other)]

    def mean(columns, mine):
        return np.average(columns[FLUX, mine], weights=columns[FLUX_ERR, mine] ** -2.0)

    return [
        mean(one, nights[0] == night) - mean(other, nights[1] == night) for night in np.intersect1d(*nights)
    ]


def running_median(values, window):
    """Median of the window's nearest rows."""
    n = values.size
    width = window if n >= window else n - 1 + n % 2
    starts = np.clip(np.arange(n) - width // 2, 0, max(n - width, 0))
    return np.array([np.median(values[start : start + width]) for start in starts])


def outliers(columns, bounds, window, flux_limit, flux_limit_below, support_limit, auxiliary_limit):
    """Minus the deviation in units of its limit, row and rule, of every row out of line, worst first."""
    found = []
    for start, stop in pairwise(bounds):
        mine = columns[:, start:stop]
        if stop > start:
            for row, rule, severity in (
                *_flux(mine, window, flux_limit, flux_limit_below, support_limit),
                *_others(mine, auxiliary_limit),
            ):
                found.append((-severity, start + row, rule))
    return sorted(found)


def _flux(columns, window, limit_above, limit_below, support_limit):
    residual = columns[FLUX] - running_median(columns[FLUX], window)
    scale = np.maximum(columns[FLUX_ERR], 1.4826 * np.median(np.abs(residual)))
    for i in range(residual.size):
        sign, limit = (1, limit_above) if residual[i] > 0 else (-1, limit_below)
        supported = any(
            sign * residual[j] > support_limit * min(scale[i], scale[j])
            for j in (i - 1, i + 1)
            if 0 <= j < residual.size
        )
        if abs(residual[i] / scale[i]) > limit and not supported:
            yield i, 0, abs(residual[i] / scale[i]) / limit


def _others(columns, auxiliary_limit):
    bright = columns[FLUX] - np.median(columns[FLUX]) > 3 * columns[FLUX_ERR]
    for column in range(FLUX_ERR, PSF + 1):
        values = np.where(columns[column] > 0, columns[column], np.nan)
        measured = np.sort(values[~np.isnan(values)])
        if not measured.size:
            continue
        scaled = values if column == AIRMASS else np.log(values)
        lower, middle, upper = np.quantile(measured, [0.25, 0.5, 0.75], method="lower")
        if column != AIRMASS:
            lower, middle, upper = np.log([lower, middle, upper])
        limit = auxiliary_limit * max((upper - lower) / 1.349, 0.05)
        for i in range(values.size):
            forgiven = column in {FLUX_ERR, PSF} and bright[i]
            if abs(scaled[i] - middle) > limit and not forgiven:
                yield i, column - FLUX, abs(scaled[i] - middle) / limit


def fit_rise(hjd, flux, flux_err, t_break, min_before):
    """Baseline, scatter, slope, rows before."""
    before = hjd < t_break
    n_before = int(before.sum())
    weight = flux_err**-2.0
    if n_before < min_before:
        baseline, scatter = np.median(flux), np.median(flux_err)
    else:
        baseline = np.average(flux[before], weights=weight[before])
        mad = np.median(np.abs(flux[before] - np.median(flux[before])))
        scatter = max(1.4826 * mad, 0.5 * np.median(flux_err[before]))
    x, rise, weight = hjd[~before] - t_break, flux[~before] - baseline, weight[~before]
    power = np.sum(weight * x * x)
    return baseline, scatter, np.sum(weight * x * rise) / power if power > 0 else 0.0, n_before


def standardise(matrix, mean, sd):
    """Standardised, within 100, 0 where not measured."""
    with np.errstate(over="ignore"):
        values = np.clip((matrix - mean) / sd, -100, 100)
    return np.nan_to_num(values, nan=0.0).astype(np.float32)
