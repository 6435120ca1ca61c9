"""Which examples a training set has: stars split, and how many crops of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from model_build.dataset import DatasetError
from model_build.season.generators import generator
from model_build.training_set.crops import Crop, Offer, share_out
from model_build.training_set.split import (
    SPLITS,
    TRAIN,
    IntArray,
    apportion,
    siblings_of_training,
    split_stars,
)
from model_build.training_set.stars import LabelledStar
from stream_worker.bundle import CLASSES

SplitBy = Literal["cluster", "star"]
ORIGINS: Final = ("labelled", "crop", "first", "last", "other", "further")
"""What an example is: a star's candidate at its label's date, a crop of it, that of its first date, of its
last; any of a labelled star outside the balanced set, or of a further season, which are never held out."""
PAPER_ORIGINS: Final = ORIGINS[:2]
"""What the paper trains on."""

PAPER_COPIES: Final[Mapping[str, float]] = MappingProxyType(
    {"yes": 10902 / 1825, "maybe": 7404 / 1190, "no": 12008 / 2038}
)
"""Examples per star of each class, itself included (Viaña et al. 2025, tables 1 and 2)."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example to prepare.

    ``label``, ``split`` and ``origin`` are places in `CLASSES`, `SPLITS` and `ORIGINS`; no ``crop`` asks
    for the whole light curve. ``season`` is 0 of the season that is split, else counted from 1.
    """

    candidate_id: str
    star_id: str
    cluster: int
    label: int
    split: int
    origin: int
    crop: Crop | None = None
    season: int = 0

    @property
    def of_paper(self) -> bool:
        """Whether the paper would train on it: a training star at its label's date, or a crop of that."""
        return self.split == TRAIN and ORIGINS[self.origin] in PAPER_ORIGINS


@dataclass(frozen=True, slots=True)
class Plan:
    """The examples of each candidate, and what the split and the crops came to."""

    examples: Mapping[str, tuple[Example, ...]]
    report: Mapping[str, Any]


def most_crops(copies: float) -> int:
    """Crops that a star may be asked for: those wanted, and one for stars that can't give as many."""
    return math.ceil(copies) if copies > 1.0 else 0


def make_plan(
    stars: Sequence[LabelledStar],
    others: Sequence[LabelledStar],
    offers: Mapping[str, Offer],
    *,
    split_by: SplitBy,
    copies: Mapping[str, float],
    seed: int,
) -> Plan:
    """Split the stars that can be prepared and choose their crops.

    Parameters
    ----------
    stars, others
        The balanced set and labelled stars outside it, by star id. Of the others those are trained on
        that share no cluster with a star held out.
    offers
        Of every candidate of both, by its id.
    split_by
        What may not be on two sides.
    copies
        Examples per star for each of `CLASSES`, itself included, >= 1.
    seed
        Of the split and of who gets one crop more.

    Raises
    ------
    DatasetError
        If a side has no star of some class.
    """
    usable = [star for star in stars if offers[star.candidate_id].usable]
    labels = np.array([star.label for star in usable], np.int64)
    clusters = np.array([star.cluster for star in usable], np.int64)
    sides = {
        by: split_stars(labels, groups, generator(seed, "split", by))
        for by, groups in (("cluster", clusters), ("star", np.arange(len(usable))))
    }
    siblings = {by: siblings_of_training(side, clusters) for by, side in sides.items()}
    side = sides[split_by]
    counts = _cross(side, labels)
    _require_all(counts)
    available = np.array([len(offers[star.candidate_id].crops) for star in usable], np.int64)
    given = _crops_given(side, labels, available, copies, seed)
    examples: dict[str, tuple[Example, ...]] = {}
    held_out = frozenset(clusters[side != TRAIN].tolist())
    more = [star for star in others if star.cluster not in held_out]
    found = [*_examples(usable, offers, side, given), *_other_examples(more, offers)]
    for example in found:
        examples[example.candidate_id] = (*examples.get(example.candidate_id, ()), example)
    report = {
        "stars": _table(counts),
        "examples": _table(counts + _cross(side, labels, given)),
        "first": _table(_cross(side, labels, [_usable(star.first_candidate_id, offers) for star in usable])),
        "last": _table(_cross(side, labels, [_usable(star.last_candidate_id, offers) for star in usable])),
        "others": _by_class(more),
        "others_held_out": len(others) - len(more),
        "stars_by_crops": {str(n): count for n, count in sorted(Counter(given.tolist()).items())},
        "too_few_observations": len(stars) - len(usable),
        "clusters": int(np.unique(clusters).size),
        "siblings_of_training": {
            by: {name: int(found[sides[by] == k].sum()) for k, name in enumerate(SPLITS) if k}
            for by, found in siblings.items()
        },
    }
    return Plan(examples, report)


def _crops_given(
    side: IntArray, labels: IntArray, available: IntArray, copies: Mapping[str, float], seed: int
) -> IntArray:
    given = np.zeros_like(available)
    for label, name in enumerate(CLASSES):
        mine = labels == label
        stars = np.bincount(side[mine], minlength=len(SPLITS))
        wanted = apportion(round(copies[name] * int(stars.sum())), stars) - stars
        for number, split in enumerate(SPLITS):
            here = np.flatnonzero(mine & (side == number))
            rng = generator(seed, "copies", split, name)
            given[here] = share_out(available[here], int(wanted[number]), rng)
    return given


def _examples(
    stars: Sequence[LabelledStar], offers: Mapping[str, Offer], side: IntArray, given: IntArray
) -> Iterable[Example]:
    labelled, crop, first, last = range(4)
    for star, split, n_crops in zip(stars, side.tolist(), given.tolist(), strict=True):
        of_star = (star.star_id, star.cluster, star.label, split)
        yield Example(star.candidate_id, *of_star, labelled)
        for part in offers[star.candidate_id].crops[:n_crops]:
            yield Example(star.candidate_id, *of_star, crop, part)
        for candidate_id, origin in ((star.first_candidate_id, first), (star.last_candidate_id, last)):
            if candidate_id is not None and _usable(candidate_id, offers):
                yield Example(candidate_id, *of_star, origin)


def _other_examples(stars: Sequence[LabelledStar], offers: Mapping[str, Offer]) -> Iterator[Example]:
    other = ORIGINS.index("other")
    for star in stars:
        for candidate_id in (star.candidate_id, star.last_candidate_id):
            if candidate_id is not None and _usable(candidate_id, offers):
                yield Example(candidate_id, star.star_id, star.cluster, star.label, TRAIN, other)


def _usable(candidate_id: str | None, offers: Mapping[str, Offer]) -> bool:
    return candidate_id is not None and offers[candidate_id].usable


def _by_class(stars: Sequence[LabelledStar]) -> dict[str, int]:
    counts = np.bincount([star.label for star in stars], minlength=len(CLASSES))
    return dict(zip(CLASSES, counts.tolist(), strict=True))


def _cross(side: IntArray, labels: IntArray, amounts: Any = 1) -> IntArray:
    """Sum amounts by split and class, int64 [3, 3]."""
    table = np.zeros((len(SPLITS), len(CLASSES)), np.int64)
    np.add.at(table, (side, labels), np.asarray(amounts, np.int64))
    return table


def _table(counts: IntArray) -> dict[str, dict[str, int]]:
    return {
        split: dict(zip(CLASSES, row, strict=True))
        for split, row in zip(SPLITS, counts.tolist(), strict=True)
    }


def _require_all(counts: IntArray) -> None:
    lacking = [
        f"{split} has no {name} (of {int(counts[:, label].sum())})"
        for number, split in enumerate(SPLITS)
        for label, name in enumerate(CLASSES)
        if not counts[number, label]
    ]
    if lacking:
        raise DatasetError(
            f"too few labelled stars to split: {', '.join(lacking)}; "
            "each side needs at least one star of each class: simulate more"
        )
