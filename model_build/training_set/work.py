"""What workers do with a few candidates at a time; each call depends on its arguments alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model_build.season.generators import generator
from model_build.training_set.crops import Offer, offer, prepare_copies
from model_build.training_set.plan import Example
from stream_worker.batching import Branches
from stream_worker.candidate import Candidate
from stream_worker.preprocessing import Prepared, PreprocessingOptions, Standardisation, standardise

CandidateExamples = tuple[Candidate, tuple[Example, ...]]
"""A candidate and the examples wanted of it."""


def offers(
    chunk: Sequence[tuple[Candidate, int]], *, seed: int, options: PreprocessingOptions
) -> list[Offer]:
    """Ask each candidate for at most so many crops."""
    return [offer(one, most, generator(seed, "crops", one.candidate_id), options) for one, most in chunk]


def prepared_examples(chunk: Sequence[CandidateExamples], *, options: PreprocessingOptions) -> list[Prepared]:
    """Prepare all examples, in order, with contiguous sites.

    Sums over them would else differ in the last bit where pickling made them so.
    """
    return [
        _contiguous(prepared)
        for candidate, examples in chunk
        for prepared in prepare_copies(candidate, [one.crop for one in examples], options)
    ]


def standardised_examples(
    chunk: Sequence[CandidateExamples], *, options: PreprocessingOptions, standardisation: Standardisation
) -> list[tuple[Example, float, float, Branches]]:
    """Prepare and standardise all examples, in order; with each its t_cut and t_break."""
    found = []
    for candidate, examples in chunk:
        t_cut, t_break = candidate.alertfinder.t_cut, candidate.alertfinder.t_break
        copies = prepare_copies(candidate, [one.crop for one in examples], options)
        for example, prepared in zip(examples, copies, strict=True):
            seen_until = t_cut if example.crop is None else min(t_cut, example.crop.t_last)
            found.append((example, seen_until, t_break, standardise(prepared, standardisation)))
    return found


def _contiguous(prepared: Prepared) -> Prepared:
    ctio, saao, sso = map(np.ascontiguousarray, prepared.sites)
    return replace(prepared, sites=(ctio, saao, sso))
