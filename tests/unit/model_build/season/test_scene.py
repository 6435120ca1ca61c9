from __future__ import annotations

import pickle
import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from model_build.season.config import FieldConfig, load_config
from model_build.season.footprint import (
    CHIP_PX,
    CHIPS,
    PX_PER_ARCSEC,
    SITE_PREFIX,
    Pixel,
    galactic_latitude,
    to_pixel,
    to_sky,
)
from model_build.season.placing import Sky
from model_build.season.scene import build_scene
from stream_worker.preprocessing import SITES

SCALE = 1 / 200
CENTRE = FieldConfig(ra=268.4, dec=-31.0, cadence=2.0)
on_axis = st.floats(1e-3, CHIP_PX - 1e-3)


@pytest.fixture(scope="module")
def config():
    return load_config()


@pytest.fixture(scope="module")
def scene(config):
    return build_scene(config, 2021, 5, SCALE, SCALE)


def arcsec_apart(a, b):
    dx = (a.ra - b.ra) * np.cos(np.radians(a.dec))
    return 3600.0 * np.hypot(dx, a.dec - b.dec)


def members(scene):
    found = defaultdict(list)
    for star in scene.stars:
        if star.parent is not None:
            found[star.parent].append(star)
    return found


@given(chip=st.sampled_from(CHIPS), x=on_axis, y=on_axis)
def test_pixels_and_sky_are_each_other_s_inverse(chip, x, y):
    found = to_pixel(CENTRE, *to_sky(CENTRE, Pixel(chip, x, y)))
    assert found is not None
    assert found.chip == chip
    assert (found.x, found.y) == pytest.approx((x, y), abs=1e-5)


def test_chips_are_a_degree_wide_with_a_gap_between_them():
    assert to_pixel(CENTRE, CENTRE.ra, CENTRE.dec) is None
    assert to_pixel(CENTRE, CENTRE.ra, CENTRE.dec + 0.5) is None
    assert to_pixel(CENTRE, CENTRE.ra + 0.5, CENTRE.dec + 1.1) is None
    east_of_gap = to_sky(CENTRE, Pixel("K", 0.0, 4000.0))
    west_of_gap = to_sky(CENTRE, Pixel("M", float(CHIP_PX), 4000.0))
    gap = (east_of_gap[0] - west_of_gap[0]) * np.cos(np.radians(east_of_gap[1]))
    assert gap == pytest.approx(0.05)
    south, north = to_sky(CENTRE, Pixel("K", 100.0, 0.0))[1], to_sky(CENTRE, Pixel("K", 100.0, 9000.0))[1]
    assert north - south == pytest.approx(1.0)


def test_galactic_latitude_of_the_poles_and_the_centre():
    assert galactic_latitude(192.85948, 27.12825) == pytest.approx(90.0)
    assert galactic_latitude(266.405, -28.936) == pytest.approx(0.0, abs=0.01)


def test_fields_nearer_the_galactic_centre_hold_more_stars(config):
    catalogue = config.artefacts.catalogue
    sky = Sky(config.fields, catalogue)
    assert sky.density("BLG02") > sky.density("BLG34")
    densities = [sky.density(name) for name in config.fields]
    assert np.mean(densities) == pytest.approx(catalogue.stars_per_deg2)


def test_the_same_arguments_give_the_same_scene_and_another_seed_does_not(config, scene):
    again = build_scene(config, 2021, 5, SCALE, SCALE)
    assert again.stars == scene.stars
    assert repr(again.parents) == repr(scene.parents)  # NaN is not equal to itself
    assert build_scene(config, 2021, 6, SCALE, SCALE).stars != scene.stars


def test_a_scene_travels_to_workers(scene):
    arrived = pickle.loads(pickle.dumps(scene))  # noqa: S301 - our own bytes
    assert arrived.stars == scene.stars
    assert repr(arrived.parents) == repr(scene.parents)


def test_a_smaller_scene_holds_the_first_parents_of_a_larger_one(config, scene):
    small = build_scene(config, 2021, 5, SCALE / 2, SCALE / 2)
    assert len(small.parents) < len(scene.parents)
    unlike = [name for name, parent in small.parents.items() if repr(scene.parents[name]) != repr(parent)]
    assert unlike == []


def test_numbers_of_parents_follow_the_scales(config, scene):
    counts = Counter(parent.kind for parent in scene.parents.values())
    rates = config.artefacts.rates
    for kind in ("bleed", "spike", "neighbour", "dipole", "hot_column", "moonlight"):
        assert abs(counts[kind] - getattr(rates, kind) * SCALE) < 1.0
    assert abs(counts["event"] - config.artefacts.events * SCALE) < 1.0


def test_without_false_positives_there_are_events_and_their_ghosts_only(config):
    scene = build_scene(config, 2021, 5, SCALE, 0.0)
    assert {star.kind for star in scene.stars} == {"event", "ghost"}
    assert build_scene(config, 2021, 5, 0.0, 0.0).stars == ()


@pytest.mark.parametrize(("events", "false"), [(-0.1, 1.0), (1.0, float("nan")), (float("inf"), 1.0)])
def test_an_impossible_scale_is_refused_by_name(config, events, false):
    name = "scale_false" if events == 1.0 else "scale_events"
    with pytest.raises(ValueError, match=name):
        build_scene(config, 2021, 5, events, false)


def test_every_kind_is_there(scene):
    kinds = {star.kind for star in scene.stars}
    assert {"event", "ghost", "bleed", "spike", "neighbour", "dipole", "hot_column", "moonlight"} <= kinds
    assert {"osarg", "sr", "quiet"} <= kinds


def test_no_two_stars_share_an_identifier_or_a_number(scene):
    assert len({star.star_id for star in scene.stars}) == len(scene.stars)
    assert [star.number for star in scene.stars] == list(range(len(scene.stars)))


def test_identifiers_say_catalogue_field_chip_and_cell(scene):
    for star in scene.stars:
        parts = re.fullmatch(r"(BLG|SAO|SSO)(\d\d)([KMTN])(\d\d)(\d\d)\.\d{6}", star.star_id)
        assert parts is not None, star.star_id
        assert parts[1] == SITE_PREFIX[star.datasets[0][0]]
        assert f"BLG{parts[2]}" == star.field
        assert parts[3] == star.chip
        assert (int(parts[4]), int(parts[5])) == (star.x // 1125, star.y // 1125)


def test_positions_on_the_chip_and_on_the_sky_agree(config, scene):
    for star in scene.stars:
        pixel = to_pixel(config.fields[star.field], star.ra, star.dec)
        assert pixel is not None
        assert pixel.chip == star.chip
        assert (pixel.x, pixel.y) == pytest.approx((star.x, star.y), abs=1e-4)


def test_sites_in_order_and_in_the_configured_shares(config, scene):
    sites = [tuple(dict.fromkeys(site for site, _ in star.datasets)) for star in scene.stars]
    assert all(list(names) == sorted(names, key=SITES.index) for names in sites)
    share = np.mean([len(names) == 3 for names in sites])
    assert share == pytest.approx(config.artefacts.catalogue.all_sites, abs=0.02)


def test_overlapping_fields_see_a_star_in_both(config, scene):
    pairs = dict(config.cadence.pairs) | {b: a for a, b in config.cadence.pairs}
    twins = Counter(star.source for star in scene.stars)
    single = [star for star in scene.stars if twins[star.source] == 1]
    for star in single:
        fields = {field for _, field in star.datasets}
        expected = {name for name, centre in config.fields.items() if to_pixel(centre, star.ra, star.dec)}
        assert fields == expected
    both = [
        star for star in single if star.field in pairs and pairs[star.field] in {f for _, f in star.datasets}
    ]
    in_pairs = [star for star in single if star.field in pairs]
    assert len(both) > 0.7 * len(in_pairs) > 0


def test_some_stars_of_overlaps_are_catalogued_twice_within_an_arcsecond(scene):
    twins = [(scene.stars[star.source], star) for star in scene.stars if star.source != star.number]
    assert len(twins) > 20
    for first, second in twins:
        assert 0.0 < arcsec_apart(first, second) < 1.0
        assert first.field != second.field
        assert {field for _, field in first.datasets} == {first.field}
        assert first.field not in {field for _, field in second.datasets}
        assert (first.kind, first.parent, first.event) == (second.kind, second.parent, second.event)


def test_stars_of_a_trail_share_its_column(scene):
    trails = [star for star in scene.stars if star.kind == "bleed"]
    assert trails
    assert max(abs(star.offset[0]) for star in trails) < 3.0
    assert max(abs(star.offset[1]) for star in trails) > 100.0


def test_stars_stand_at_their_offset_from_the_parent(scene):
    for star in scene.stars:
        parent = scene.parents[star.parent] if star.parent else None
        if parent is None or star.source != star.number:
            continue
        assert star.chip == parent.chip
        assert (star.x - parent.x, star.y - parent.y) == pytest.approx(star.offset, abs=1e-6)


def test_ghosts_and_spoiled_neighbours_lie_within_20_arcsec_and_spikes_within_tens(scene):
    for kind, reach in (("ghost", 20.0), ("neighbour", 20.0), ("spike", 60.0)):
        off = [np.hypot(*star.offset) / PX_PER_ARCSEC for star in scene.stars if star.kind == kind]
        assert off
        assert max(off) <= reach


def test_artefacts_fade_with_distance_so_nearer_stars_are_hit_more_often(scene):
    distance = np.array([np.hypot(*star.offset) for star in scene.stars if star.kind == "ghost"])
    per_area = np.histogram(distance, (2.0, 15.0, 30.0, 50.0))[0] / np.diff(
        np.square((2.0, 15.0, 30.0, 50.0))
    )
    assert np.all(np.diff(per_area) < 0.0)


def test_neighbours_cluster_on_the_sky_and_quiet_stars_do_not(scene):
    def within_20_arcsec(kind):
        stars = [star for star in scene.stars if star.kind == kind and star.source == star.number]
        ra, dec = np.array([(star.ra, star.dec) for star in stars]).T
        tree = cKDTree(3600.0 * np.column_stack((ra * np.cos(np.radians(dec)), dec)))
        return np.array([len(near) - 1 for near in tree.query_ball_tree(tree, 20.0)])

    assert np.median(within_20_arcsec("neighbour")) > 10
    assert within_20_arcsec("quiet").max() == 0


def test_hot_columns_belong_to_the_chip_whatever_the_field(scene):
    columns = [stars for name, stars in members(scene).items() if name.startswith("hot_column")]
    columns = [stars for stars in columns if len(stars) >= 5]
    assert columns
    assert all(len({star.field for star in stars}) > 1 for stars in columns)
    assert all(len({star.chip for star in stars}) == 1 for stars in columns)


def test_no_parent_has_more_stars_than_allowed(config, scene):
    single = Counter(star.parent for star in scene.stars if star.parent and star.source == star.number)
    own = Counter(star.parent for star in scene.stars if star.kind == "event" and star.source == star.number)
    assert max((single - own).values()) == config.artefacts.catalogue.members_max


def test_an_unflaggable_artefact_leaves_no_stars(config):
    weak = replace(config.artefacts.bleed, leak=(1e-9, 1e-9))
    faint = replace(config, artefacts=replace(config.artefacts, bleed=weak))
    stars = build_scene(faint, 2021, 5, 0.0, SCALE).stars
    assert "bleed" not in {star.kind for star in stars}
    assert "spike" in {star.kind for star in stars}
