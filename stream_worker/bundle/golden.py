"""Golden vectors of a bundle: inputs with the outputs that every worker must reproduce."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_worker.bundle.manifest import BRANCHES
from stream_worker.preprocessing import FEATURES, LightCurve

Float64Array = NDArray[np.float64]
Branches = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
_COLUMNS = ("hjd", "flux", "flux_err", "sky_background", "fwhm", "airmass", "psf_quality")


@dataclass(frozen=True, slots=True, eq=False)
class GoldenCandidate:
    """A raw candidate and the standardised branches (float32 [n_site, 12]) it must become."""

    light_curves: tuple[LightCurve, ...]
    t_break: float
    t_cut: float
    ra: float
    dec: float
    branches: Branches


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Inputs and expected outputs.

    Parameters
    ----------
    batch
        Ragged inputs, with empty and length-1 branches.
    candidates
        Raw candidates; they are scored after ``batch``.
    p_review, class_probabilities
        Expected outputs of ``batch`` and then ``candidates``, float64 [n] and [n, 3].
    """

    batch: tuple[Branches, ...]
    candidates: tuple[GoldenCandidate, ...]
    p_review: Float64Array
    class_probabilities: Float64Array

    def __post_init__(self) -> None:
        n = len(self.batch) + len(self.candidates)
        if self.p_review.shape != (n,) or self.class_probabilities.shape != (n, 3):
            raise ValueError(
                f"golden outputs have shapes {self.p_review.shape} and {self.class_probabilities.shape}, "
                f"expected ({n},) and ({n}, 3)"
            )


def golden_to_arrays(golden: Golden) -> dict[str, NDArray[Any]]:
    """Flatten golden vectors to named arrays without Python objects."""
    arrays: dict[str, NDArray[Any]] = {
        "p_review": golden.p_review,
        "class_probabilities": golden.class_probabilities,
        "candidate_count": np.array(len(golden.candidates), np.int64),
    }
    arrays |= _pack("batch", golden.batch)
    arrays |= _pack("candidate", [candidate.branches for candidate in golden.candidates])
    for number, candidate in enumerate(golden.candidates):
        key = f"candidate_{number}"
        arrays[f"{key}_t_break_t_cut_ra_dec"] = np.array(
            [candidate.t_break, candidate.t_cut, candidate.ra, candidate.dec], np.float64
        )
        arrays[f"{key}_datasets"] = np.array([(c.site, c.dataset) for c in candidate.light_curves], np.str_)
        for place, curve in enumerate(candidate.light_curves):
            for column in _COLUMNS:
                if (values := getattr(curve, column)) is not None:
                    arrays[f"{key}_{place}_{column}"] = values
    return arrays


def read_golden(content: bytes) -> Golden:
    """Read ``golden.npz``.

    Raises
    ------
    ValueError
        If it is no such archive, or arrays are missing or misshapen.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return _from_arrays({name: archive[name] for name in archive.files})
    except ValueError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise ValueError(f"not a golden archive: {type(error).__name__}: {error}") from error


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Golden:
    branches = _unpack("candidate", arrays)
    candidates = []
    for number in range(int(arrays["candidate_count"])):
        key = f"candidate_{number}"
        t_break, t_cut, ra, dec = (float(value) for value in arrays[f"{key}_t_break_t_cut_ra_dec"])
        curves = tuple(
            LightCurve(
                site=str(site),
                dataset=str(dataset),
                **{column: arrays.get(f"{key}_{place}_{column}") for column in _COLUMNS},  # type: ignore[arg-type]
            )
            for place, (site, dataset) in enumerate(arrays[f"{key}_datasets"])
        )
        candidates.append(GoldenCandidate(curves, t_break, t_cut, ra, dec, branches[number]))
    return Golden(
        batch=_unpack("batch", arrays),
        candidates=tuple(candidates),
        p_review=arrays["p_review"],
        class_probabilities=arrays["class_probabilities"],
    )


def _pack(name: str, batch: Sequence[Branches]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for place, branch in enumerate(BRANCHES):
        nothing = np.empty((0, len(FEATURES)), np.float32)
        arrays[f"{name}_{branch}"] = np.concatenate([nothing, *(item[place] for item in batch)])
        arrays[f"{name}_{branch}_length"] = np.array([len(item[place]) for item in batch], np.int32)
    return arrays


def _unpack(name: str, arrays: Mapping[str, NDArray[Any]]) -> tuple[Branches, ...]:
    series = []
    for branch in BRANCHES:
        rows, lengths = arrays[f"{name}_{branch}"], arrays[f"{name}_{branch}_length"]
        if lengths.sum() != len(rows):
            raise ValueError(f"{name}_{branch} has {len(rows)} rows, lengths add up to {lengths.sum()}")
        ends = np.cumsum(lengths)
        series.append([rows[start:end] for start, end in zip(ends - lengths, ends, strict=True)])
    return tuple(zip(*series, strict=True))
