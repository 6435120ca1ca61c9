"""Grouping against an O(n^2) reference: any sky, order, batching, partitioning, abort and restart."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.arrival_order import kept_back_by_a_crowd
from support.driven import NOW, Driven
from support.sky import LIVE, SPACE, arrivals, clusters, offset_by, reference, sighting

from stream_worker.neighbours import GroupingRules, Space, group_id
from stream_worker.outcome import OutcomeKind
from stream_worker.sky import SkyCells

RULES = GroupingRules()
CELLS = SkyCells(RULES.radius_arcsec)
CORNERS = CELLS._healpix.boundaries_lonlat(
    CELLS._cell(np.array([268.0, 15.0]), np.array([-30.0, 0.0])), step=1
)
CENTRES = [
    (268.0, -30.0),
    (0.0, -29.0),
    (359.9995, 41.0),
    (123.0, 89.9995),
    (77.0, -90.0),
    (45.0, 90.0),
    *zip(CORNERS[0].to_value("deg").ravel(), CORNERS[1].to_value("deg").ravel(), strict=True),
]


@st.composite
def skies(draw):
    """Up to 30 stars in one to three crowds of an arcminute, some in pairs below an arcsecond."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = []
    for place in draw(st.lists(st.sampled_from(CENTRES), min_size=1, max_size=3, unique=True)):
        spread = draw(st.sampled_from([0.4, 8.0, 25.0]))
        for n in range(draw(st.integers(1, 14))):
            ra, dec = offset_by(*place, *rng.normal(0, spread, 2))
            star_id = f"S{CENTRES.index(place):02d}.{n:03d}"
            for t_cut in rng.choice(np.arange(9300.75, 9315, 1.0), rng.integers(1, 4), replace=False):
                delta_chi2 = float(rng.choice([300.0, 400.0, 400.0, 500.0, 900.0]))
                p_review = float(rng.choice([0.2, 0.45, 0.7, 0.955, 0.99]))
                found.append(sighting(star_id, ra, dec, float(t_cut), delta_chi2, p_review))
    return found


def run(sky, seed, rules=RULES, partitions=5):
    """Feed a sky in a random order, with repeats, aborts and restarts."""
    rng = random.Random(seed)
    order = [*sky, *rng.choices(sky, k=len(sky) // 4)]
    rng.shuffle(order)
    follow, now = Driven(rules), NOW
    n = rng.randint(1, partitions)
    salt = rng.randint(0, 10**6)
    waiting = defaultdict(list)
    count = 0
    for partition, arrival in arrivals(order, CELLS, lambda cell: hash((cell, salt)) % n, space=LIVE):
        waiting[partition].append(arrival)
        count += 1
        if rng.random() < 0.3:
            follow.batch(partition, waiting.pop(partition), now, abort=rng.random() < 0.3)
            now += rng.choice([0, 300, 2500])
        if rng.random() < 0.1:
            follow.restart(partition)
    for partition, records in waiting.items():
        follow.batch(partition, records, now)
    follow.finish()
    return follow, count


@settings(max_examples=120, deadline=None)
@given(skies(), st.integers(0, 2**32))
def test_primaries_and_members_are_those_of_the_reference(sky, seed):
    follow, count = run(sky, seed)
    truth = reference(sky, RULES)
    assert follow.strongest() == {star: t.strongest for star, t in truth.items()}
    assert len(follow.outcomes) == count, "one outcome for every record"
    assert max(follow.alerts.values(), default=0) <= 1
    for star, found in truth.items():
        live = group_id(LIVE, star) in follow.live
        if found.strongest is not None:
            assert not live, star
        elif found.crowd <= RULES.crowd_limit or found.latest.p_review >= RULES.pure_at:
            assert live, star


@settings(max_examples=40, deadline=None)
@given(skies(), st.integers(0, 2**32))
def test_members_and_crowding_of_the_verdicts_are_those_of_the_reference(sky, seed):
    follow, _ = run(sky, seed)
    truth = reference(sky, RULES)
    for grouping in follow.groupings.values():
        for key, verdict in grouping.verdicts():
            found = truth[key.star_id]
            assert {m.star_id for m in verdict.members} == found.neighbours
            assert verdict.crowded == (found.crowd > RULES.crowd_limit)


def spiral(n):
    """Places 2 to 19 arcsec from the centre, none within 2 arcsec of another."""
    return (2 + 17 * n / 30) * np.cos(2.4 * n), (2 + 17 * n / 30) * np.sin(2.4 * n)


@pytest.mark.parametrize("seed", range(6))
def test_a_high_magnification_event_with_thirty_ghosts_is_published(seed):
    event = [sighting("EVENT", 268.0, -30.0, 9300.75 + day, 1000.0 * 2**day, 0.97) for day in range(4)]
    ghosts = [
        sighting(f"GHOST{n:02d}", *offset_by(268, -30, *spiral(n)), t, x, 0.9)
        for n in range(30)
        for t, x in ((9301.75, 90.0 + n), (9303.75, 200.0 + n))
    ]
    sky = [*event, *ghosts]
    follow, _ = run(sky, seed)
    assert set(follow.live) == {group_id(LIVE, "EVENT")}
    alert = follow.live[group_id(LIVE, "EVENT")]
    assert reference(sky, RULES)["EVENT"].crowd == 30
    kinds = Counter(o.kind for o in follow.outcomes.values())
    assert kinds[OutcomeKind.PUBLISHED] >= 1
    assert alert.verdict.primary


def season(seed):
    """Clusters of stars, each at its own time within 200 days."""
    rng = np.random.default_rng(seed)
    return [
        sighting(s.star_id, s.ra, s.dec, s.t_cut + days, s.delta_chi2, s.p_review)
        for cluster in islice(clusters(rng), 60)
        for days in [float(rng.integers(0, 200))]
        for s in cluster
    ]


@pytest.mark.parametrize("space", [Space("ARCHIVAL", "r"), SPACE])
@pytest.mark.parametrize("readers", [1, 4])
def test_a_replayed_season_has_the_groups_of_the_reference_however_far_its_readers_are_apart(space, readers):
    """Each reader keeps to the order of the season; one is done before the next begins."""
    sky = season(readers)
    order = [s for n in range(readers) for s in sorted(sky[n::readers], key=lambda s: s.t_cut)]
    follow, rng = Driven(RULES), random.Random(readers)
    waiting, now = defaultdict(list), NOW
    for partition, arrival in arrivals(order, CELLS, lambda cell: cell % 3, space=space):
        waiting[partition].append(arrival)
        if len(waiting[partition]) == 20:
            follow.batch(partition, waiting.pop(partition), now, abort=rng.random() < 0.2)
            now += rng.choice([0, 700, RULES.hold_ms])
            if rng.random() < 0.2:
                follow.restart(partition)
    for partition, records in waiting.items():
        follow.batch(partition, records, now)
    follow.finish()
    truth = reference(sky, RULES)
    assert OutcomeKind.TOO_LATE not in {o.kind for o in follow.outcomes.values()}
    assert follow.strongest() == {star: t.strongest for star, t in truth.items()}
    primaries = {group_id(space, star): t for star, t in truth.items() if t.strongest is None}
    kept_back = {group for group, t in primaries.items() if kept_back_by_a_crowd(t, RULES)}
    assert primaries.keys() - kept_back <= follow.live.keys() <= primaries.keys()
