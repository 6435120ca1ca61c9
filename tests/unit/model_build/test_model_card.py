from __future__ import annotations

import pytest

from model_build.event_probability import EventProbability
from model_build.model_card import model_card

METRICS = {"n": 50.0, "auc": 0.91234, "recall_no": 0.5, "n_train": 400.0, "n_validation": 45.0}
SEASON = {
    "season": 2021,
    "seed": 3,
    "scale_events": 1.0,
    "scale_false": 0.125,
    "perturbed": None,
    "sha256": "ab" * 32,
}


def card(**changes):
    told = {
        "metrics": METRICS,
        "season": SEASON,
        "training": {"training, both": "best epoch 7 of 9"},
        "split_by": "cluster",
        "shared": True,
        "chosen": 0.525,
        "p_event": EventProbability(1.25, -3.5, 0.015, "a stream"),
        "evaluation": None,
        "provisional": False,
    }
    return model_card("lensnet-test", "1.2", **(told | changes))


def test_the_card_says_what_it_was_trained_on_and_how_well_it_did():
    found = card()
    assert found.startswith("# lensnet-test 1.2\n")
    for text in (
        "| season, seed | 2021, 3 |",
        "| share of the survey | 1 of events, 0.125 of all else |",
        f"`{'ab' * 32}`",
        "| training, both | best epoch 7 of 9 |",
        "400 stars to train",
        "45 to stop early",
        "50 held out",
        "| auc | 0.9123 |",
        "chosen 0.525",
    ):
        assert text in found
    assert "| n_train |" not in found
    assert "rovisional" not in found


def test_the_card_names_the_seasons_trained_on_whole():
    more = {"seed": 12, "contents": "stream", "sha256": "cd" * 32}
    more |= {
        "listings": {"yes": 300, "maybe": 1700, "no": 8000},
        "stars": {"yes": 100, "maybe": 500, "no": 3000},
    }
    found = card(further=[more])
    assert "seed 12" not in card()
    assert f"seed 12 | stream, 10,000 listings of 3,600 stars, archive `{'cd' * 32}` |" in found


def test_the_card_says_how_p_event_came_about():
    text = "1.250 times its log odds -3.500, where 1.50% of the candidates are of events: fitted to a stream."
    assert text in card()
    assert "`p_event` is null" in card(p_event=None)


def test_further_figures_are_shown_where_there_are_some():
    assert "other seasons" not in card()
    assert "| false alerts a night | 3.1 [2.0, 4.2] |" in card(
        evaluation={"false alerts a night": "3.1 [2.0, 4.2]"}
    )


def test_a_provisional_bundle_is_called_one():
    assert "**Provisional.**" in card(provisional=True)


@pytest.mark.parametrize(
    ("perturbed", "said"), [(None, "as configured"), (7, "drawn anew within doubt, seed 7")]
)
def test_the_card_says_whether_the_numbers_were_perturbed(perturbed, said):
    assert f"| numbers | {said} |" in card(season=SEASON | {"perturbed": perturbed})


def test_the_card_says_only_what_holds_for_its_network_and_split():
    assert "(one encoder for all sites: CTIO, SAAO, SSO)" in card()
    assert "(one encoder per site: CTIO, SAAO, SSO)" in card(shared=False)
    assert "no cluster" in card()
    by_star = card(split_by="star")
    assert "no cluster" not in by_star
    assert "no star on two sides" in by_star
