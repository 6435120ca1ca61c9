from __future__ import annotations

import math
import tomllib
from contextlib import suppress
from copy import deepcopy
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import resources
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season import sections
from model_build.season.config import ConfigError, SeasonConfig, _config, load_config, perturbed
from model_build.season.sections import Ascending, Fraction, Limits, Positive, as_table
from stream_worker.preprocessing import SITES

PACKAGED = tomllib.loads(resources.files("model_build.season").joinpath("season.toml").read_text("utf-8"))


def faults_of(text, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.faults


def test_the_packaged_numbers_are_possible_and_cover_the_survey():
    config = load_config()
    assert tuple(config.sites) == SITES
    assert len(config.fields) == 27
    assert sum(field.cadence for field in config.fields.values()) == pytest.approx(24.0, abs=0.1)
    assert {name for pair in config.cadence.pairs for name in pair} == {
        name for name, field in config.fields.items() if field.cadence == 2.0
    }


def test_a_file_replaces_the_values_it_names_and_no_others(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[seeing]\nnight_sigma = 0.5\n[sites.SSO]\nfwhm = 6\n", encoding="utf-8")
    ours, packaged = load_config(path), load_config()
    assert ours.seeing.night_sigma == 0.5
    assert ours.sites["SSO"].fwhm == 6.0
    table = as_table(packaged)
    table["seeing"]["night_sigma"], table["sites"]["SSO"]["fwhm"] = 0.5, 6.0
    assert as_table(ours) == table


def test_every_fault_is_named_at_once(tmp_path):
    faults = faults_of(
        """
        [sites.CTIO]
        fwhm = -3.3
        open_fraction = [0.9, 1.2, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
        v_band_every = 1
        [sites.SSO]
        altitude_m = "high"
        [sites.XTIO]
        altitude_m = 2153
        open_fraction = [0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
        open_factor = 1.0
        v_band_every = 10
        [fields.BLG04]
        cadence = 0.0
        dec = -125.5
        [cadence]
        first_run = "09-26"
        last_run = "04-10"
        season_start = "02-30"
        jitter_fraction = 2.0
        pairs = [["BLG01", "BLG41"], ["BLG77", "BLG42"]]
        [weather]
        persistence = 1.5
        cloudiness = 0.3
        [sky]
        moon = nan
        """,
        tmp_path,
    )
    expected = [
        "sites.CTIO.fwhm: -3.3 is not above 0",
        "sites.CTIO.open_fraction[1]: 1.2 is not at most 1",
        "sites.CTIO.v_band_every: 1 is not at least 2",
        "sites.SSO.altitude_m: 'high' is not a number",
        "fields.BLG04.cadence: 0 is not above 0",
        "fields.BLG04.dec: -125.5 is not at least -90",
        "cadence.season_start: '02-30' is no day MM-DD",
        "cadence.first_run, last_run: 09-26 to 04-10 is an empty range of dates",
        "cadence.jitter_fraction: 2 is not at most 0.45",
        "cadence.pairs: unknown field 'BLG77'",
        "sites.XTIO: unknown site, expected CTIO, SAAO, SSO",
        "sites.XTIO.fwhm: missing",
        "sites.XTIO.dark_sky: missing",
        "weather.persistence: 1.5 is not at most 0.99",
        "sky.moon: nan is not finite",
    ]
    assert set(expected) <= set(faults)
    (unknown,) = set(faults) - set(expected)
    assert unknown.startswith("weather.cloudiness: unknown, expected one of persistence")


A_SITE = """
[sites.OGLE]
altitude_m = 2280
open_fraction = [1, 1, 1, 1, 1, 1, 1, 1, 1]
open_factor = 1
fwhm = 3
dark_sky = 500
v_band_every = 10
"""
A_SEASON = "sites.SSO.open_fraction: 1 values, expected 9, February to October"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (A_SITE, "sites.OGLE: unknown site, expected CTIO, SAAO, SSO"),
        ("sites.SSO.open_fraction = [1]", A_SEASON),
        ("cadence = 3", "cadence: 3 is not a table"),
        ('[cadence]\npairs = [["BLG01", "BLG99"]]', "cadence.pairs: unknown field 'BLG99'"),
        ('[cadence]\npairs = [["BLG01", "BLG04"]]', "cadence.pairs: BLG01 and BLG04 differ in cadence"),
        ('[cadence]\npairs = [["BLG01"]]', "cadence.pairs[0]: 1 values, expected 2"),
        ('[cadence]\npairs = [["BLG01", "BLG01"]]', "cadence.pairs: BLG01 is in more than one place"),
        ('[doubt.scale]\n"seeing.colour" = 0.2', "doubt.scale.seeing.colour: no such number"),
        ('[doubt.odds]\n"cadence.first_run" = 0.2', "doubt.odds.cadence.first_run: no such number"),
        ('[doubt.scale]\n"seeing.night_sigma" = -0.2', "doubt.scale.seeing.night_sigma: -0.2 is not above 0"),
        ("seeing.frame_sigma = true", "seeing.frame_sigma: True is not a number"),
    ],
)  # fmt: skip
def test_impossible_values_are_rejected(text, fault, tmp_path):
    assert faults_of(text, tmp_path) == [fault]


def test_a_missing_or_broken_file_is_one_fault(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml")
    (fault,) = faults_of("[seeing", tmp_path)
    assert "mine.toml" in fault


NUMBERS = [
    "sites.CTIO.fwhm", "sites.SSO.dark_sky", "fields.BLG12.cadence", "cadence.run_hour_ut",
    "weather.cloudy_fraction", "seeing.night_sigma", "sky.halo_deg",
]  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(
    wrong=st.dictionaries(
        st.sampled_from(NUMBERS),
        st.one_of(
            st.floats(max_value=-1e-9),
            st.just(math.nan),
            st.just(math.inf),
            st.text(max_size=5),
            st.booleans(),
        ),
        min_size=1,
    )
)
def test_however_many_values_are_wrong_each_is_named_once(wrong):
    table = as_table(load_config())
    for path, value in wrong.items():
        *parents, name = path.split(".")
        place = table
        for parent in parents:
            place = place[parent]
        place[name] = value
    faults: list[str] = []
    sections.read(SeasonConfig, table, "", faults)
    assert sorted(fault.split(":")[0] for fault in faults) == sorted(wrong)


def paths(table, where=()):
    for name, value in table.items():
        yield (*where, name)
        if isinstance(value, dict):
            yield from paths(value, (*where, name))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=100)
@given(junk=st.dictionaries(st.sampled_from(list(paths(PACKAGED))), JUNK, min_size=1, max_size=4))
def test_whatever_stands_in_the_file_is_read_or_named_as_a_fault(junk):
    table = deepcopy(PACKAGED)
    for (*parents, name), value in junk.items():
        place = table
        for parent in parents:
            place = place[parent] if isinstance(place, dict) and parent in place else {}
        if isinstance(place, dict):
            place[name] = value
    with suppress(ConfigError):
        config = _config(table)
        assert as_table(_config(as_table(config))) == as_table(config)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**40))
def test_a_perturbed_configuration_is_possible_and_stays_within_its_doubt(seed):
    config = load_config()
    other = perturbed(config, seed)
    assert other == perturbed(config, seed)
    for site in SITES:
        assert other.sites[site].fwhm != config.sites[site].fwhm
        doubt = config.doubt.scale[f"sites.{site}.fwhm"]
        assert abs(math.log(other.sites[site].fwhm / config.sites[site].fwhm)) <= doubt + 1e-12
        before, after = (np.array(c.sites[site].open_fraction) for c in (config, other))
        odds = np.log(after / (1 - after)) - np.log(before / (1 - before))
        assert np.ptp(odds) < 1e-9
        assert abs(odds[0]) <= config.doubt.odds[f"sites.{site}.open_fraction"] + 1e-9
    assert abs(other.seeing.night_rho - config.seeing.night_rho) <= config.doubt.shift["seeing.night_rho"]
    assert other.fields == config.fields
    assert other.cadence == config.cadence
    assert other.doubt == config.doubt


def test_a_mix_is_changed_but_not_its_sum():
    config = load_config()
    for path in config.doubt.mix:
        before, after = (as_table(c) for c in (config, perturbed(config, 5)))
        for name in path.split("."):
            before, after = before[name], after[name]
        old, new = np.array(list(before.values())), np.array(list(after.values()))
        assert new.sum() == pytest.approx(old.sum())
        assert np.count_nonzero(np.abs(new / np.maximum(old, 1e-300) - 1.0) > 1e-3) > 1


def test_perturbing_one_number_more_leaves_the_other_draws_alone(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[doubt.scale]\n"sites.CTIO.altitude_m" = 0.1\n', encoding="utf-8")
    one, more = as_table(perturbed(load_config(), 7)), as_table(perturbed(load_config(path), 7))
    del one["doubt"], more["doubt"]
    assert more["sites"]["CTIO"].pop("altitude_m") != one["sites"]["CTIO"].pop("altitude_m")
    assert one == more


def test_every_number_of_the_simulator_stands_in_the_packaged_file():
    def missing(value, table, where):
        if is_dataclass(value):
            for one in fields(value):
                path = f"{where}.{one.name}".strip(".")
                if one.name not in table:
                    yield path
                else:
                    yield from missing(getattr(value, one.name), table[one.name], path)

    assert not list(missing(load_config(), PACKAGED, ""))


def test_no_number_stands_in_the_code():
    def defaults(kind):
        for one in fields(kind):
            if one.default is not MISSING or one.default_factory is not MISSING:
                yield f"{kind.__name__}.{one.name}"

    config = load_config()
    sections_of = [getattr(config, one.name) for one in fields(config) if one.name != "doubt"]
    kinds = [type(section) for section in sections_of if is_dataclass(section)]
    assert [name for kind in kinds for name in defaults(kind)] == []


@dataclass(frozen=True, slots=True)
class Inner:
    fraction: float
    span_range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Outer:
    kind: Literal["a", "b"]
    shares: Annotated[tuple[float, ...], Limits(0.0, 1.0)]
    inner: Inner
    ordered: Annotated[tuple[float, float, float], Ascending()] = (1.0, 2.0, 3.0)
    number: Positive = 1.0
    share: Fraction = 0.5
    flag: bool = False


GOOD = {"kind": "a", "shares": [0.2, 0.8], "inner": {"fraction": 0.1, "span_range": [1, 2]}}


def read(table):
    faults: list[str] = []
    return sections.read(Outer, table, "top", faults), faults


def test_a_section_is_read_with_its_defaults_and_written_back():
    outer, faults = read(GOOD)
    assert not faults
    assert outer == Outer("a", (0.2, 0.8), Inner(0.1, (1.0, 2.0)))
    assert read(as_table(outer)) == (outer, [])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "c"}, "top.kind: 'c' is none of 'a', 'b'"),
        ({"shares": [0.2, 1.8]}, "top.shares[1]: 1.8 is not at most 1"),
        ({"shares": 0.2}, "top.shares: 0.2 is not an array"),
        ({"inner": {"fraction": 2, "span_range": [1, 2]}}, "top.inner.fraction: 2 is not at most 1"),
        (
            {"inner": {"fraction": 0, "span_range": [2, 1]}},
            "top.inner.span_range: [2.0, 1.0] does not ascend",
        ),
        ({"inner": {"fraction": 0}}, "top.inner.span_range: missing"),
        ({"ordered": [1, 3, 2]}, "top.ordered: [1.0, 3.0, 2.0] does not ascend"),
        ({"number": 0}, "top.number: 0 is not above 0"),
        ({"flag": 1}, "top.flag: 1 is not true or false"),
    ],
)
def test_what_the_types_forbid_is_a_fault(changes, fault):
    assert read(GOOD | changes)[1] == [fault]
