"""What a season's summary says, made by hand."""

from __future__ import annotations

from model_build.season.config import load_config
from model_build.season_report.record import (
    Counts,
    KindOfReview,
    LabelCounts,
    Labels,
    Reviews,
    Run,
    SeasonRecord,
)


def counts(**numbers: int) -> Counts:
    return Counts(**dict.fromkeys(Counts.__slots__, 0) | numbers)


def season_record() -> SeasonRecord:
    """Two runs at a tenth of the events and a hundredth of the rest."""
    return SeasonRecord(
        season=2021, seed=1, scale_events=0.1, scale_false=0.01, contents="labelled", perturbed=None, stars=7,
        runs=(
            Run("2021-05-10", 9344.75, counts(flagged=4, kept=3), counts(flagged=50, crowded=40, kept=10)),
            Run("2021-05-11", 9345.75, counts(flagged=2, kept=2), counts(flagged=30, crowded=20, kept=10)),
        ),
        labels=Labels(LabelCounts(yes=20, maybe=3, no=50), LabelCounts(yes=10, maybe=3, no=10)),
        reviews=Reviews(
            (KindOfReview("event", 10, 9), KindOfReview("mira", 200, 1)), 0.005, 0.1, {0.0: 0.2, 10.0: None}
        ),
        candidates=3,
        config=load_config(),
    )  # fmt: skip
