"""The balanced set drawn from a season's labelled stars (Viaña et al. 2025, sec. 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

import numpy as np

from model_build.season.labels import Label, LabelledStar

PAPER_COUNTS: Final[Mapping[Label, int]] = MappingProxyType(
    {Label.YES: 1825, Label.MAYBE: 1190, Label.NO: 2038}
)


class NotEnoughStars(ValueError):
    """A class has fewer stars than were asked for."""


def affordable_counts(stars: Iterable[LabelledStar]) -> Mapping[Label, int]:
    """Return the class sizes that ``stars`` allow, at most the paper's.

    Yes and Maybe as many as there are, No in the paper's proportion to the two together.
    """
    found = Counter(star.label for star in stars)
    counts = {label: min(found[label], PAPER_COUNTS[label]) for label in (Label.YES, Label.MAYBE)}
    share = sum(counts.values()) / (PAPER_COUNTS[Label.YES] + PAPER_COUNTS[Label.MAYBE])
    return counts | {Label.NO: min(found[Label.NO], round(PAPER_COUNTS[Label.NO] * share))}


def select(
    stars: Sequence[LabelledStar], counts: Mapping[Label, int], rng: np.random.Generator
) -> tuple[LabelledStar, ...]:
    """Draw the balanced set: Yes and Maybe at random, No with the dates of the Yes stars drawn.

    Parameters
    ----------
    stars
        From `labels.label_season`.
    counts
        Stars wanted of each class, e.g. `PAPER_COUNTS` or `affordable_counts`.
    rng
        The set depends on it and on the stars, not on their order.

    Returns
    -------
    tuple of LabelledStar
        By star id. Each date has as many Nos as its share of the Yes stars says; where a date has
        too few, Nos of the nearest dates stand in; without Yes stars Nos are drawn at random.

    Raises
    ------
    NotEnoughStars
        If a class has fewer stars than wanted; the message names all such classes.
    """
    by_label = {
        label: sorted((star for star in stars if star.label is label), key=lambda star: star.star_id)
        for label in Label
    }
    short = [
        f"{label.value}: {count} wanted, {len(by_label[label])} found"
        for label, count in counts.items()
        if len(by_label[label]) < count
    ]
    if short:
        raise NotEnoughStars("not enough stars of class " + "; ".join(short))
    yes = _sample(by_label[Label.YES], counts[Label.YES], rng)
    maybe = _sample(by_label[Label.MAYBE], counts[Label.MAYBE], rng)
    dates = Counter(star.run_id for star in yes or by_label[Label.NO])
    no = _date_matched(by_label[Label.NO], counts[Label.NO], dates, rng)
    return tuple(sorted((*yes, *maybe, *no), key=lambda star: star.star_id))


def _sample(stars: Sequence[LabelledStar], count: int, rng: np.random.Generator) -> list[LabelledStar]:
    return [stars[i] for i in rng.choice(len(stars), count, replace=False)]


def _date_matched(
    stars: Sequence[LabelledStar], count: int, yes_dates: Mapping[str, int], rng: np.random.Generator
) -> list[LabelledStar]:
    """Draw ``count`` stars with dates distributed as ``yes_dates``, from the nearest dates where short."""
    pool: dict[str, list[LabelledStar]] = {}
    for i in rng.permutation(len(stars)):
        pool.setdefault(stars[i].run_id, []).append(stars[i])
    drawn: list[LabelledStar] = []
    short: list[str] = []
    for run_id, wanted in _shares(count, yes_dates).items():
        available = pool.get(run_id, [])
        drawn += available[:wanted]
        pool[run_id] = available[wanted:]
        short += [run_id] * (wanted - len(available))
    for run_id in short:
        nearest = min(
            (other for other in pool if pool[other]), key=lambda other: (_days(run_id, other), other)
        )
        drawn.append(pool[nearest].pop(0))
    return drawn


def _shares(count: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Split ``count`` in proportion to ``weights`` by largest remainders, ties to the earlier date."""
    dates = sorted(weights)
    exact = count * np.array([weights[day] for day in dates], dtype=np.float64) / sum(weights.values())
    shares = np.floor(exact).astype(int)
    order = np.argsort(shares - exact, kind="stable")
    shares[order[: count - int(shares.sum())]] += 1
    return dict(zip(dates, shares.tolist(), strict=True))


def _days(one: str, other: str) -> int:
    return abs((date.fromisoformat(one) - date.fromisoformat(other)).days)
