"""The split into training, validation and test, by clusters of stars, each class alike."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

SPLITS: Final = ("train", "validation", "test")
TRAIN: Final = SPLITS.index("train")
_SHARES: Final = (0.8, 0.1, 0.1)  # Viaña et al. 2025, sec. 5.3


def split_stars(labels: IntArray, groups: IntArray, rng: np.random.Generator) -> IntArray:
    """Split stars 80/10/10, every class by itself, so that no group is on two sides.

    Groups are drawn at random, the largest first, among the sides that still have room for all their
    stars, with chances as that room; one that fits nowhere goes where it is least too many. With groups
    of one star each the sizes are exact; else each is as near as the smallest groups allow.

    Parameters
    ----------
    labels : int64 [n]
        Class of each star, from 0.
    groups : int64 [n]
        Stars of one group share a number.
    rng
        Draws the split.

    Returns
    -------
    int64 [n]
        Places in `SPLITS`.
    """
    n_classes = int(labels.max(initial=-1)) + 1
    room = np.zeros((len(SPLITS), n_classes), np.int64)
    for label, count in enumerate(np.bincount(labels, minlength=n_classes)):
        room[:, label] = apportion(int(count), _SHARES)
    numbers, group_of = np.unique(groups, return_inverse=True)
    members = np.zeros((numbers.size, n_classes), np.int64)
    np.add.at(members, (group_of, labels), 1)
    order = rng.permutation(numbers.size)
    order = order[np.argsort(-members[order].sum(axis=1), kind="stable")]
    side_of = np.zeros(numbers.size, np.int64)
    for group in order:
        side_of[group] = side = _draw_side(room, members[group], rng)
        room[side] -= members[group]
    return side_of[group_of]


def siblings_of_training(sides: IntArray, clusters: IntArray) -> BoolArray:
    """Tell which stars held out share a cluster with a star to train on, bool [n]."""
    trained = sides == TRAIN
    leaking: BoolArray = ~trained & np.isin(clusters, clusters[trained])
    return leaking


def apportion(total: int, weights: ArrayLike) -> IntArray:
    """Share out a number in whole parts in proportion to weights (not all 0), by largest remainders."""
    parts = np.asarray(weights, np.float64)
    exact = total * parts / parts.sum()
    shares: IntArray = np.floor(exact).astype(np.int64)
    rest = total - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:rest]] += 1
    return shares


def _draw_side(room: IntArray, group: IntArray, rng: np.random.Generator) -> int:
    classes = group > 0
    too_many = np.maximum(group - room, 0)[:, classes].sum(axis=1)
    fits = too_many == 0
    if not fits.any():
        return int(too_many.argmin())
    chances = np.where(fits, room[:, classes].sum(axis=1), 0)
    return int(rng.choice(len(SPLITS), p=chances / chances.sum()))
