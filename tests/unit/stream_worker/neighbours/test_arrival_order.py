"""Grouping against the reference in arrival order: who is seen, and flagged, after each wave of a sky."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.arrival_order import Seen, certain, kept_back_by_a_crowd, known_sky, seen_after_each
from support.driven import NOW, Driven
from support.sky import LIVE, arrivals, offset_by, reference, sighting

from stream_worker.neighbours import GroupingRules
from stream_worker.sky import SkyCells

RULES = GroupingRules()
CELLS = SkyCells(RULES.radius_arcsec)


@st.composite
def crowded_skies(draw):
    """Up to 24 stars of which most are near one another, the first one bright; some pairs are one star."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([3.0, 7.0, 12.0]))
    days = draw(st.sampled_from([3, 8, 14]))
    found = []
    for n in range(draw(st.integers(10, 24))):
        where = offset_by(268.0, -30.0, *rng.normal(0, spread, 2))
        for t_cut in rng.choice(np.arange(9300.75, 9300.75 + days, 1.0), rng.integers(1, 4), replace=False):
            delta_chi2 = float(rng.choice([300.0, 400.0, 500.0, 900.0])) * (3.0 if n == 0 else 1.0)
            p_review = float(rng.choice([0.2, 0.5, 0.7, 0.99], p=[0.05, 0.4, 0.4, 0.15]))
            found.append(sighting(f"S{n:02d}", *where, float(t_cut), delta_chi2, p_review))
    return found


def drive(waves, rng):
    """What readers see of each star after each wave, holds ending whenever it happens within one."""
    driven, now, seen = Driven(RULES), NOW, []
    known, offsets = [], defaultdict(int)
    for wave in waves:
        order = [*wave, *rng.choices(known + wave, k=len(wave) // 4)]
        rng.shuffle(order)
        known += wave
        waiting = defaultdict(list)
        for partition, arrival in arrivals(order, CELLS, lambda cell: cell % 3, space=LIVE, offsets=offsets):
            waiting[partition].append(arrival)
        for partition, records in waiting.items():
            while records:
                n = rng.randint(1, 4)
                driven.batch(partition, records[:n], now, abort=rng.random() < 0.1)
                del records[:n]
                now += rng.choice([0, 700, RULES.hold_ms])
            if rng.random() < 0.2:
                driven.restart(partition)
        driven.finish()
        seen.append(
            {a.star_id: Seen.CROWDED if a.verdict.crowded else Seen.LIVE for a in driven.live.values()}
        )
    return seen


def in_random_waves(sky, n, rng):
    waves = [[] for _ in range(n)]
    for s in sky:
        waves[rng.randrange(n)].append(s)
    return waves


@settings(max_examples=150)
@given(crowded_skies(), st.integers(1, 5), st.integers(0, 2**32))
def test_what_is_seen_after_each_wave_is_what_the_reference_allows(sky, n, seed):
    rng = random.Random(seed)
    waves = in_random_waves(sky, n, rng)
    for seen, ends in zip(drive(waves, rng), seen_after_each(waves, RULES), strict=True):
        assert seen.keys() <= ends.keys()
        for star, may in ends.items():
            assert seen.get(star, Seen.NOTHING) in may, star


@settings(max_examples=60)
@given(crowded_skies(), st.integers(0, 2**32))
def test_one_by_one_nothing_is_left_open_but_a_flag_after_the_crowd(sky, seed):
    rng = random.Random(seed)
    order = rng.sample(sky, len(sky))
    waves = [[s] for s in order]
    for seen, ends in zip(drive(waves, rng), seen_after_each(waves, RULES), strict=True):
        for star, may in ends.items():
            assert seen.get(star, Seen.NOTHING) in may
            assert may in ({Seen.LIVE, Seen.CROWDED}, *({one} for one in Seen)), star


@pytest.mark.parametrize("seed", range(3))
def test_a_known_sky_has_one_end_whatever_happens_within_its_waves(seed):
    sky, left_out = known_sky(1_500, seed, RULES)
    assert left_out < 0.02 * len(sky)
    expected, at_stake = {}, Counter()
    for waves in sky:
        ends = certain(seen_after_each(waves, RULES)[-1])
        truth = reference([s for wave in waves for s in wave], RULES)
        at_stake.update(ends[star] for star, t in truth.items() if kept_back_by_a_crowd(t, RULES))
        expected |= ends
    assert min(at_stake[Seen.NOTHING], at_stake[Seen.CROWDED]) > 0, at_stake
    waves = [[s for cluster in sky for s in cluster[n]] for n in range(2)]
    seen = drive(waves, random.Random(seed))[-1]
    assert seen.keys() <= expected.keys()
    assert {star: seen.get(star, Seen.NOTHING) for star in expected} == expected


def crowd(n):
    """Weak stars on a ring, each a star of its own."""
    angles = 2 * np.pi * np.arange(n) / n
    return [
        sighting(f"WEAK{i:02d}", *offset_by(268.0, -30.0, 9 * np.cos(a), 9 * np.sin(a)), 9300.75, 100.0)
        for i, a in enumerate(angles)
    ]


BRIGHT = sighting("BRIGHT", 268.0, -30.0, 9300.75, 900.0, 0.7)


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        ([crowd(11), [BRIGHT]], Seen.NOTHING),
        ([[BRIGHT], crowd(11)], Seen.CROWDED),
        ([crowd(10), [BRIGHT]], Seen.LIVE),
        ([[BRIGHT, *crowd(10)], crowd(11)[:1]], Seen.LIVE),
    ],
)
def test_the_crowd_first_keeps_a_primary_back_and_later_only_flags_it(waves, expected):
    assert certain(seen_after_each(waves, RULES)[-1])["BRIGHT"] is expected
    for seed in range(5):
        assert drive(waves, random.Random(seed))[-1].get("BRIGHT", Seen.NOTHING) is expected


FAINTER = sighting("FAINTER", *offset_by(268.0, -30.0, 4, 0), 9300.75, 500.0, 0.99)


def test_a_crowd_does_not_silence_the_group_of_a_pure_alert():
    """The fainter star's alert is taken back for the brighter one: that one must then be told of."""
    for waves in ([[FAINTER], [*crowd(11), BRIGHT]], [[FAINTER], crowd(11), [BRIGHT]]):
        assert certain(seen_after_each(waves, RULES)[-1])["BRIGHT"] is Seen.CROWDED
        for seed in range(5):
            seen = drive(waves, random.Random(seed))[-1]
            assert seen.get("BRIGHT") is Seen.CROWDED
            assert "FAINTER" not in seen


def test_an_alert_below_the_pure_threshold_is_no_reason_to_tell_of_a_crowd():
    waves = [[replace(FAINTER, p_review=0.6)], crowd(11), [BRIGHT]]
    assert certain(seen_after_each(waves, RULES)[-1])["BRIGHT"] is Seen.NOTHING
    for seed in range(5):
        assert "BRIGHT" not in drive(waves, random.Random(seed))[-1]


def test_in_one_wave_both_ends_are_possible_and_both_happen():
    waves = [[BRIGHT, *crowd(11)]]
    (ends,) = seen_after_each(waves, RULES)
    assert ends["BRIGHT"] == {Seen.NOTHING, Seen.CROWDED}
    with pytest.raises(AssertionError, match=r"the order within a wave: \{'BRIGHT'"):
        certain(ends)
    reached = {drive(waves, random.Random(seed))[-1].get("BRIGHT", Seen.NOTHING) for seed in range(40)}
    assert reached == ends["BRIGHT"]
