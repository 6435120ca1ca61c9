from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season.memory import ReviewMemory
from model_build.season.neighbours import pairs_within, positions
from model_build.season.sections import as_table, read
from model_build.season.vetting import Fate, Flagged, VettingConfig, strongest_neighbours, vet
from stream_worker.alertfinder import RunDate

CONFIG = VettingConfig(
    radius_arcsec=20.0,
    same_star_arcsec=1.0,
    crowd="cluster",
    crowd_max=10,
    cap_chip=800,
    cap_field=20000,
    cap_total=20000,
    cap_least=1,
    limit_total=False,
    neighbour_days=6.0,
    memory_days=6,
)
LOCAL = replace(CONFIG, crowd="local")
ARCSEC = 1.0 / 3600.0


def star(number, *, east=0.0, north=0.0, delta_chi2=500.0, field="BLG01", chip="K", t_cut=9344.75, prefix=""):
    """A star `east` and `north` arcsec of (268, -30)."""
    dec = -30.0 + north * ARCSEC
    ra = 268.0 + east * ARCSEC / np.cos(np.radians(dec))
    star_id = f"{prefix or field}{chip}0101.{number:06d}"
    return Flagged(star_id, field, chip, ra, dec, t_cut, delta_chi2)


def line_of(n, step, **values):
    return [star(i, east=i * step, **values) for i in range(n)]


def haversine_arcsec(one, other):
    ra, dec, ra2, dec2 = np.radians([one.ra, one.dec, other.ra, other.dec])
    a = np.sin((dec2 - dec) / 2) ** 2 + np.cos(dec) * np.cos(dec2) * np.sin((ra2 - ra) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(a))) * 3600


# --- Geometry.


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    ra=st.sampled_from([0.0, 180.0, 268.0]),
    dec=st.sampled_from([-90.0, -30.0, 0.0]),
    radius=st.floats(1.0, 60.0),
)
def test_pairs_are_those_of_the_great_circle(seed, ra, dec, radius):
    rng = np.random.default_rng(seed)
    spread = 60.0 * ARCSEC / max(np.cos(np.radians(dec)), 1e-3)
    stars = [
        Flagged(
            str(i),
            "BLG01",
            "K",
            (ra + rng.normal(0.0, spread)) % 360.0,
            max(dec + rng.normal(0.0, 60 * ARCSEC), -90.0),
            0.0,
            1.0,
        )
        for i in range(25)
    ]
    found = {tuple(pair) for pair in pairs_within(positions(stars), radius).tolist()}
    distance = {(i, j): haversine_arcsec(stars[i], stars[j]) for j in range(25) for i in range(j)}
    assert found >= {pair for pair, d in distance.items() if d < radius - 1e-6}
    assert found <= {pair for pair, d in distance.items() if d < radius + 1e-6}


def test_a_position_that_is_none_is_named():
    with pytest.raises(ValueError, match="position 1: ra nan"):
        vet([star(1), replace(star(2), ra=float("nan"))], CONFIG)


# --- Crowds.


@pytest.mark.parametrize(("n", "fate"), [(10, Fate.KEPT), (11, Fate.CROWDED)])
def test_a_cluster_linked_by_steps_is_rejected_whole(n, fate):
    assert set(vet(line_of(n, 19.9), CONFIG)) == {fate}


def test_links_longer_than_the_radius_do_not_hold():
    assert set(vet(line_of(30, 20.1), CONFIG)) == {Fate.KEPT}


def test_the_local_rule_looks_at_each_star_alone():
    chain = line_of(30, 19.9)
    assert set(vet(chain, LOCAL)) == {Fate.KEPT}
    knot = line_of(12, 1.5)
    assert Counter(vet(knot, LOCAL)) == {Fate.CROWDED: 12}
    assert Counter(vet(knot[:11], LOCAL)) == {Fate.KEPT: 11}
    # the twelfth is within 20 arcsec of only some of the others
    assert vet([*knot[:11], star(99, east=30.0)], LOCAL)[-1] is Fate.KEPT


def test_the_crowd_knows_no_chips_and_fields():
    names = [("BLG01", "K"), ("BLG41", "M"), ("BLG02", "T")]
    mixed = [star(i, east=3.0 * i, field=names[i % 3][0], chip=names[i % 3][1]) for i in range(11)]
    assert set(vet(mixed, CONFIG)) == {Fate.CROWDED}


@pytest.mark.parametrize("config", [CONFIG, LOCAL])
def test_two_entries_of_a_star_in_two_fields_count_once(config):
    six = [star(i, east=3.0 * i) for i in range(6)]
    again = [star(i, east=3.0 * i + 0.7, field="BLG41") for i in range(6)]
    assert set(vet(six + again, config)) == {Fate.KEPT}
    close_but_two = [star(i + 6, east=3.0 * i + 0.7) for i in range(6)]
    assert vet(six + close_but_two, CONFIG)[0] is Fate.CROWDED


# --- Caps.


def far_apart(n, **values):
    return line_of(n, 60.0, **values)


def test_a_chip_keeps_the_first_by_star_id():
    stars = far_apart(15)[::-1]
    fates = vet(stars, replace(CONFIG, cap_chip=4))
    assert [one.star_id for one, fate in zip(stars, fates, strict=True) if fate is Fate.KEPT] == [
        one.star_id for one in sorted(stars, key=lambda one: one.star_id)[:4]
    ][::-1]
    assert Counter(fates)[Fate.CHIP_CAP] == 11


def test_stars_of_the_ctio_catalogue_come_first():
    mixed = far_apart(5, prefix="SSO01") + far_apart(5, prefix="BLG01") + far_apart(5, prefix="SAO01")
    fates = vet(mixed, replace(CONFIG, cap_chip=6))
    assert [i for i, fate in enumerate(fates) if fate is Fate.KEPT] == [5, 6, 7, 8, 9, 10]


def test_a_chip_is_one_of_its_field():
    fates = vet(
        far_apart(3) + far_apart(3, field="BLG02") + far_apart(3, chip="M"), replace(CONFIG, cap_chip=2)
    )
    assert [i for i, fate in enumerate(fates) if fate is Fate.CHIP_CAP] == [2, 5, 8]


def test_the_field_cap_counts_what_the_chips_keep():
    stars = far_apart(6) + far_apart(6, chip="M")
    fates = vet(stars, replace(CONFIG, cap_chip=4, cap_field=6))
    assert Counter(fates) == {Fate.KEPT: 6, Fate.CHIP_CAP: 4, Fate.FIELD_CAP: 2}
    assert all(fate is Fate.KEPT for fate in fates[:4])


def test_a_total_is_kept_only_if_asked():
    stars = far_apart(6) + far_apart(6, field="BLG02")
    config = replace(CONFIG, cap_total=8)
    assert set(vet(stars, config)) == {Fate.KEPT}
    fates = vet(stars, replace(config, limit_total=True))
    assert fates == (Fate.KEPT,) * 8 + (Fate.TOTAL_CAP,) * 4


def test_caps_scale_with_the_simulated_share():
    fates = vet(far_apart(12), replace(CONFIG, cap_chip=40), scale=0.11)
    assert Counter(fates)[Fate.KEPT] == 5


def test_a_scaled_cap_is_never_tiny_nor_above_the_surveys_own():
    config = replace(CONFIG, cap_chip=40, cap_least=8)
    assert Counter(vet(far_apart(12), config, scale=0.01))[Fate.KEPT] == 8
    assert Counter(vet(far_apart(12), replace(config, cap_chip=4), scale=0.01))[Fate.KEPT] == 4


def test_crowded_stars_take_no_place():
    stars = line_of(11, 5.0) + [star(100 + i, north=600.0 + 60.0 * i) for i in range(3)]
    fates = vet(stars, replace(CONFIG, cap_chip=3))
    assert fates == (Fate.CROWDED,) * 11 + (Fate.KEPT,) * 3


def test_a_star_is_flagged_once_a_run():
    with pytest.raises(ValueError, match=r"star BLG01K0101\.000001 is flagged more than once"):
        vet([star(1), star(2, east=90.0), star(1)], CONFIG)


def test_nothing_flagged():
    assert vet([], CONFIG) == ()
    assert vet([], LOCAL) == ()
    assert strongest_neighbours([], CONFIG) == ()


# --- Neighbours.


def primaries(candidates, config=CONFIG):
    found = strongest_neighbours(candidates, config)
    return [one for one, stronger in zip(candidates, found, strict=True) if stronger is None]


def test_the_strongest_neighbour_stands_for_all():
    three = [
        star(1, delta_chi2=500.0),
        star(2, east=5.0, delta_chi2=900.0),
        star(3, north=9.0, delta_chi2=700.0),
    ]
    assert strongest_neighbours(three, CONFIG) == (1, None, 1)


def test_of_equal_ones_the_lower_id_wins():
    assert strongest_neighbours([star(2), star(1, east=5.0)], CONFIG) == (1, None)


def test_no_chains():
    chain = [star(i, east=15.0 * i, delta_chi2=100.0 * i) for i in range(1, 5)]
    assert strongest_neighbours(chain, CONFIG) == (1, 2, 3, None)
    far = [star(1, delta_chi2=1.0), star(2, east=20.1, delta_chi2=2.0)]
    assert strongest_neighbours(far, CONFIG) == (None, None)


def test_a_star_is_no_neighbour_of_itself():
    assert strongest_neighbours([star(1), star(1, t_cut=9345.75, delta_chi2=900.0)], CONFIG) == (None, None)


@pytest.mark.parametrize(("days", "grouped"), [(6.0, True), (6.5, False), (-6.0, True), (-7.0, False)])
def test_candidates_of_other_days_count_for_six_days(days, grouped):
    mine, other = star(1), star(2, east=5.0, delta_chi2=900.0, t_cut=9344.75 + days)
    assert strongest_neighbours([mine, other], CONFIG)[0] == (1 if grouped else None)


def test_an_earlier_candidate_that_was_stronger_counts():
    other = [star(2, east=5.0, delta_chi2=900.0, t_cut=9341.75), star(2, east=5.0, delta_chi2=100.0)]
    assert strongest_neighbours([star(1), *other], CONFIG) == (1, None, 0)


def test_two_entries_of_a_star_are_ordinary_neighbours():
    assert strongest_neighbours([star(1), star(1, east=0.5, field="BLG41", delta_chi2=900.0)], CONFIG) == (
        1,
        None,
    )


@st.composite
def crowds(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 40))
    extent = draw(st.sampled_from([20.0, 60.0, 200.0]))
    return [
        star(
            i,
            east=rng.uniform(0.0, extent),
            north=rng.uniform(0.0, extent),
            delta_chi2=float(rng.integers(1, 6)),
            field=str(rng.choice(["BLG01", "BLG41"])),
            chip=str(rng.choice(["K", "M"])),
            t_cut=9344.75 + float(rng.integers(0, 9)),
        )
        for i in range(n)
    ]


@settings(max_examples=60, deadline=None)
@given(stars=crowds(), data=st.data(), crowd=st.sampled_from(["cluster", "local"]))
def test_order_does_not_matter(stars, data, crowd):
    config = replace(CONFIG, crowd=crowd, cap_chip=8, cap_field=12, crowd_max=5)
    order = data.draw(st.permutations(range(len(stars))))
    shuffled = [stars[i] for i in order]
    fates, again = vet(stars, config), vet(shuffled, config)
    assert [fates[i] for i in order] == list(again)
    strongest, again = strongest_neighbours(stars, config), strongest_neighbours(shuffled, config)
    named = [None if j is None else stars[j].star_id for j in strongest]
    assert [named[i] for i in order] == [None if j is None else shuffled[j].star_id for j in again]


@settings(max_examples=60, deadline=None)
@given(stars=crowds(), crowd=st.sampled_from(["cluster", "local"]))
def test_caps_hold_and_prefer_low_ids(stars, crowd):
    config = replace(CONFIG, crowd=crowd, cap_chip=5, cap_field=8, crowd_max=6)
    fates = vet(stars, config)
    kept = [one for one, fate in zip(stars, fates, strict=True) if fate is Fate.KEPT]
    assert all(n <= 5 for n in Counter((one.field, one.chip) for one in kept).values())
    assert all(n <= 8 for n in Counter(one.field for one in kept).values())
    for one, fate in zip(stars, fates, strict=True):
        if fate is Fate.CHIP_CAP:
            same = [other for other in stars if (other.field, other.chip) == (one.field, one.chip)]
            before = [other for other in same if other.star_id < one.star_id]
            assert sum(fates[stars.index(other)] is not Fate.CROWDED for other in before) >= 5


@settings(max_examples=60, deadline=None)
@given(stars=crowds())
def test_primaries_have_no_stronger_neighbour(stars):
    strongest = strongest_neighbours(stars, CONFIG)
    for i, one in enumerate(stars):
        near = [
            j
            for j, other in enumerate(stars)
            if j != i and haversine_arcsec(one, other) <= 20.0 and abs(one.t_cut - other.t_cut) <= 6.0
        ]
        best = min([i, *near], key=lambda j: (-stars[j].delta_chi2, stars[j].star_id))
        assert strongest[i] == (None if best == i else best)


# --- Memory.


def run_of(day):
    return RunDate(day.isoformat(), 9344.75 + (day - date(2021, 5, 10)).days)


MONDAY = date(2021, 5, 10)


def test_a_rejected_star_is_old_for_six_calendar_days():
    memory = ReviewMemory().after(run_of(MONDAY), rejected=["a"], passed=[], config=CONFIG)
    days = [memory.is_old("a", run_of(MONDAY + timedelta(n)).run_id, CONFIG) for n in range(9)]
    assert days == [False, True, True, True, True, True, True, False, False]
    assert not memory.is_old("b", run_of(MONDAY + timedelta(1)).run_id, CONFIG)


def test_looking_at_other_stars_does_not_make_a_rejection_younger_or_older():
    memory = ReviewMemory()
    for n in range(7):
        rejected = ["a"] if n == 0 else [f"b{n}"]
        memory = memory.after(run_of(MONDAY + timedelta(n)), rejected=rejected, passed=[], config=CONFIG)
        assert memory.is_old("a", run_of(MONDAY + timedelta(n + 1)).run_id, CONFIG) == (n < 6)
    assert "a" not in memory.rejected


def test_a_selected_star_leaves_memory():
    chosen = star(1)
    memory = ReviewMemory().after(run_of(MONDAY), rejected=[chosen.star_id, "b"], passed=[], config=CONFIG)
    memory = memory.after(run_of(MONDAY + timedelta(1)), rejected=[], passed=[chosen], config=CONFIG)
    assert not memory.is_old(chosen.star_id, run_of(MONDAY + timedelta(2)).run_id, CONFIG)
    assert memory.is_old("b", run_of(MONDAY + timedelta(2)).run_id, CONFIG)


def test_candidates_that_passed_are_kept_while_they_can_be_compared():
    memory = ReviewMemory()
    for n in range(10):
        run = run_of(MONDAY + timedelta(n))
        chosen = [star(n, t_cut=run.t_cut)] if n < 3 else []
        memory = memory.after(run, rejected=[], passed=chosen, config=CONFIG)
        assert [one.t_cut for one in memory.passed] == [
            9344.75 + m for m in range(min(n + 1, 3)) if n - m <= CONFIG.neighbour_days
        ]


@settings(max_examples=50, deadline=None)
@given(
    runs=st.lists(
        st.tuples(st.integers(1, 4), st.sets(st.sampled_from("abcdef")), st.sets(st.integers(0, 3))),
        max_size=12,
    )
)
def test_memory_is_what_a_full_diary_tells(runs):
    """The pruned value against all reviews ever."""
    memory, diary, day = ReviewMemory(), {}, MONDAY
    for step, rejected, passed in runs:
        day += timedelta(step)
        run = run_of(day)
        chosen = [star(n, t_cut=run.t_cut) for n in passed]
        memory = memory.after(run, rejected=rejected, passed=chosen, config=CONFIG)
        diary |= dict.fromkeys(rejected, day)
        for ahead in range(1, 9):
            later = run_of(day + timedelta(ahead))
            for name in "abcdef":
                expected = name in diary and (day + timedelta(ahead) - diary[name]).days <= 6
                assert memory.is_old(name, later.run_id, CONFIG) == expected


def test_a_memory_does_not_depend_on_the_order_it_is_told_in():
    memory = ReviewMemory().after(
        run_of(MONDAY), rejected=["b", "a"], passed=[star(1), star(0)], config=CONFIG
    )
    again = ReviewMemory().after(
        run_of(MONDAY), rejected=["a", "b"], passed=[star(0), star(1)], config=CONFIG
    )
    assert again == memory
    assert list(again.rejected) == list(memory.rejected)


def test_runs_go_forward():
    memory = ReviewMemory().after(run_of(MONDAY), rejected=[], passed=[], config=CONFIG)
    with pytest.raises(ValueError, match="run 2021-05-10 does not follow run 2021-05-10"):
        memory.after(run_of(MONDAY), rejected=[], passed=[], config=CONFIG)


def test_a_star_that_its_images_reject_is_remembered_and_still_compared():
    chosen = star(1)
    memory = ReviewMemory().after(run_of(MONDAY), rejected=[chosen.star_id], passed=[chosen], config=CONFIG)
    assert memory.is_old(chosen.star_id, run_of(MONDAY + timedelta(1)).run_id, CONFIG)
    assert memory.passed == (chosen,)


def test_the_section_of_a_configuration_file():
    faults: list[str] = []
    assert read(VettingConfig, as_table(CONFIG), "vetting", faults) == CONFIG
    assert faults == []
    wrong = as_table(CONFIG) | {"radius_arcsec": 0.0, "crowd": "many", "cap_chip": 0, "memory_days": 1.5}
    read(VettingConfig, wrong, "vetting", faults)
    assert len(faults) == 4
