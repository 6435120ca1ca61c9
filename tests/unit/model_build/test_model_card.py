from __future__ import annotations

import pytest

from model_build.dataset import read_season
from model_build.model_card import model_card

METRICS = {"n": 50.0, "auc": 0.91234, "recall_no": 0.5, "n_train": 400.0, "n_validation": 45.0}


def test_the_card_says_what_it_was_trained_on_and_how_well_it_did(stream_archive):
    season = read_season(stream_archive)
    card = model_card("lensnet-test", "1.2", METRICS, season)
    assert card.startswith("# lensnet-test 1.2\n")
    assert "| season, seed | 2021, 3 |" in card
    assert f"AlertFinder on {len(season['runs'])} weekdays" in card
    for kind in ("found", "written"):
        counts = season["labels"][kind]
        expected = f"{counts['yes']} yes, {counts['maybe']} maybe, {counts['no']} no"
        assert f"| labels {kind} | {expected} |" in card
    assert "400 candidates to train, 45 to stop early, 50 held out" in card
    assert "| auc | 0.9123 |" in card
    assert "| n_train |" not in card


@pytest.mark.parametrize(
    ("perturbed", "said"), [(None, "as configured"), (7, "drawn anew within doubt, seed 7")]
)
def test_the_card_says_whether_the_numbers_were_perturbed(stream_archive, perturbed, said):
    season = read_season(stream_archive) | {"perturbed": perturbed}
    assert f"| numbers | {said} |" in model_card("n", "1", METRICS, season)
