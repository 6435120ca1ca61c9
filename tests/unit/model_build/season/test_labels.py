from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season.eventfinder import EventClass
from model_build.season.labels import (
    CONFIRMED,
    Appearance,
    Label,
    StarHistory,
    is_near,
    label_season,
    label_star,
)

ARCSEC = 1.0 / 3600.0
KINDS = st.sampled_from(["event", "bleed", "mira", "quiet"])
CLASSES = st.sampled_from([None, *EventClass])
NEW, PASSED, ALERTED = (True, False, False), (True, True, False), (True, True, True)
OLD = (False, False, False)
STATES = st.sampled_from([OLD, NEW, PASSED, ALERTED])


def history(*states, star_id="BLG01M0001.000001", kind="event", event_class=EventClass.CLEAR, **changes):
    appearances = tuple(
        Appearance(f"2021-05-{day:02d}", 9335.0 + day, *state) for day, state in enumerate(states, start=1)
    )
    star = StarHistory(star_id, 268.0, -30.0, hash(star_id) % 10**6, kind, event_class, appearances)
    return replace(star, **changes)


histories = st.builds(
    lambda states, kind, event_class: history(*states, kind=kind, event_class=event_class),
    st.lists(STATES, min_size=1, max_size=12),
    KINDS,
    CLASSES,
)


def day(label):
    return int(label.run_id[-2:])


def test_yes_ends_at_its_alert_however_long_it_stays_flagged():
    found = label_star(history(NEW, OLD, PASSED, ALERTED, OLD, NEW, PASSED))
    assert (found.label, day(found), found.first_run_id) == (Label.YES, 4, "2021-05-01")
    assert found.t_cut == 9339.0


def test_maybe_has_the_last_date_it_passed_on():
    found = label_star(history(NEW, PASSED, NEW, PASSED, NEW, OLD, kind="bleed", event_class=None))
    assert (found.label, day(found)) == (Label.MAYBE, 4)


def test_no_has_the_last_date_it_was_listed_on():
    found = label_star(history(NEW, OLD, OLD, NEW, OLD, kind="mira", event_class=None))
    assert (found.label, day(found), found.first_t_cut) == (Label.NO, 5, 9336.0)


@pytest.mark.parametrize("event_class", [EventClass.POSSIBLE, EventClass.NONE, None])
def test_alerts_the_season_does_not_confirm_have_no_label(event_class):
    assert label_star(history(PASSED, ALERTED, event_class=event_class)) is None


def test_stars_nobody_reviewed_have_no_label():
    assert label_star(history(OLD, OLD)) is None


@settings(deadline=None)
@given(star=histories)
def test_label_rules(star):
    found = label_star(star)
    states = [(a.new, a.passed, a.alerted) for a in star.appearances]
    if ALERTED in states:
        expected = Label.YES if star.event_class in CONFIRMED else None
    elif PASSED in states:
        expected = Label.MAYBE
    else:
        expected = Label.NO if NEW in states else None
    assert (found and found.label) == expected
    if found:
        at = next(a for a in star.appearances if a.run_id == found.run_id)
        assert (at.passed, at.alerted) == (found.label is not Label.NO, found.label is Label.YES)
        later = [a for a in star.appearances if a.t_cut > found.t_cut]
        assert found.label is Label.YES or not any(a.passed for a in later)
        assert found.first_t_cut == star.appearances[0].t_cut <= found.t_cut == at.t_cut


def test_maybes_and_nos_near_an_event_are_out_to_20_arcsec():
    event = history(ALERTED, star_id="a")
    around = [
        history(state, star_id=f"{name}{dec}", kind="ghost", event_class=None, dec=-30.0 + dec * ARCSEC)
        for name, state in (("maybe", PASSED), ("no", NEW))
        for dec in (1.5, 19.9, 20.1, -19.9, -20.1)
    ]
    kept = [star.star_id for star in label_season([*around, event])]
    assert kept == ["a", "maybe-20.1", "maybe20.1", "no-20.1", "no20.1"]


def test_right_ascension_is_measured_on_the_great_circle():
    stars = [history(NEW, ra=268.0 + 22.0 * ARCSEC), history(NEW, ra=268.0 + 24.0 * ARCSEC)]
    assert is_near(stars, [history(NEW)]).tolist() == [True, False]  # 22 arcsec cos(30 deg) = 19.05


def test_events_that_nobody_alerted_are_neither_maybe_nor_no():
    passed = history(PASSED, star_id="a")
    failed = history(NEW, star_id="b", ra=269.0)
    faint = history(NEW, star_id="c", ra=270.0, event_class=EventClass.NONE)
    assert [star.star_id for star in label_season([passed, failed, faint])] == ["c"]


def test_nos_near_an_unconfirmed_alert_are_out_but_maybes_stay():
    alert = history(ALERTED, star_id="a", kind="bleed", event_class=EventClass.POSSIBLE)
    maybe, no = (
        history(state, star_id=name, kind="bleed", event_class=None)
        for state, name in ((PASSED, "b"), (NEW, "c"))
    )
    assert [star.star_id for star in label_season([alert, maybe, no])] == ["b"]


def test_an_artefact_that_fooled_everybody_is_a_yes():
    fooled = history(ALERTED, kind="bleed")
    assert [star.label for star in label_season([fooled])] == [Label.YES]


@settings(deadline=None)
@given(states=st.permutations([ALERTED, PASSED, NEW]))
def test_entries_of_one_star_get_one_label_by_priority(states):
    stars = [
        history(state, star_id=f"s{i}", source=5, event_class=EventClass.CLEAR if state == ALERTED else None)
        for i, state in enumerate(states)
    ]
    apart = [replace(star, ra=260.0 + i) for i, star in enumerate(stars)]
    found = label_season(apart)
    assert [(star.label, star.star_id) for star in found] == [(Label.YES, f"s{states.index(ALERTED)}")]


@settings(deadline=None)
@given(stars=st.lists(histories, max_size=12), seed=st.integers(0, 50))
def test_order_of_stars_does_not_matter(stars, seed):
    rng = np.random.default_rng(seed)
    named = [
        replace(star, star_id=f"s{i:02d}", source=i, ra=268.0 + rng.uniform(0.0, 60.0) * ARCSEC)
        for i, star in enumerate(stars)
    ]
    shuffled = [named[i] for i in rng.permutation(len(named))]
    found = label_season(named)
    assert label_season(shuffled) == found
    listed = [star for star in named if star.is_listed]
    assert not is_near([star for star in found if star.label is not Label.YES], listed).any()


@pytest.mark.parametrize(
    ("appearances", "message"),
    [
        ((), "must ascend"),
        ((Appearance("2021-05-02", 2.0, *NEW), Appearance("2021-05-01", 1.0, *NEW)), "must ascend"),
        ((Appearance("2021-05-01", 1.0, new=False, passed=True, alerted=False),), "passed needs new"),
        ((Appearance("2021-05-01", 1.0, new=True, passed=False, alerted=True),), "alerted needs passed"),
    ],
)
def test_impossible_histories_are_refused(appearances, message):
    with pytest.raises(ValueError, match=message):
        history(NEW, appearances=appearances)
