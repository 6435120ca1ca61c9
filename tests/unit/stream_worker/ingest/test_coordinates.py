from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from stream_worker.ingest.coordinates import parse_dec, parse_ra
from stream_worker.ingest.parameters import DEC, HJD, RA


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("264.6", 264.6),
        ("0", 0.0),
        (" 17:51:52.00 ", 267.9666666667),
        ("17h51m52.00s", 267.9666666667),
        ("17 51 52", 267.9666666667),
        ("00:00:00.1", 15 * 0.1 / 3600),
    ],
)
def test_right_ascension_in_degrees_or_hours(text, degrees):
    assert parse_ra(text) == pytest.approx(degrees, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("-28.4", -28.4),
        ("-30:24:32.62", -30.4090611111),
        ("-30d24m32.62s", -30.4090611111),
        ("+5 00 36", 5.01),
        ("-00:30:00", -0.5),
        ("-30°24'32.62\"", -30.4090611111),
    ],
)
def test_declination_in_degrees(text, degrees):
    assert parse_dec(text) == pytest.approx(degrees, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["360", "-1", "24:00:00", "17:60:00", "17:51:60", "nan", "inf", "", "17d51m52s", "x"]
)
def test_other_right_ascensions_are_refused_with_their_text(text):
    with pytest.raises(ValueError, match="right ascension") as caught:
        parse_ra(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["90.1", "-91", "-90:00:01", "-28:61:00", "17h51m52s", "--28"])
def test_other_declinations_are_refused_with_their_text(text):
    with pytest.raises(ValueError, match="declination") as caught:
        parse_dec(text)
    assert repr(text) in str(caught.value)


@given(st.floats(0, 359.999), st.floats(-90, 90))
def test_decimal_degrees_are_kept_to_the_bit(ra, dec):
    assert parse_ra(repr(ra)) == ra
    assert parse_dec(repr(dec)) == dec


@click.command()
@click.option("--ra", type=RA)
@click.option("--dec", type=DEC)
@click.option("--t-cut", type=HJD)
def show(ra, dec, t_cut):
    click.echo(repr((ra, dec, t_cut)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--ra", "264.6", "--dec", "-28.4", "--t-cut", "8210"], "(264.6, -28.4, 8210.0)"),
        (["--ra", "17:38:24", "--dec", "-28:24:00", "--t-cut", "2458210.25"], "(264.6, -28.4, 8210.25)"),
        (["--t-cut", "2458171.20759"], "(None, None, 8171.20759)"),
    ],
)
def test_command_lines_take_positions_and_times_as_people_write_them(arguments, expected):
    assert CliRunner().invoke(show, arguments).output.strip() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ra", "400"], "right ascension '400' is 400 degrees: expected 0 <= ra < 360"),
        (["--dec", "south"], "declination 'south': expected -28.4 or -28:24:00.0 (degrees)"),
        (["--t-cut", "58170"], "'58170': expected HJD, or HJD - 2450000 within 5000..20000"),
        (["--t-cut", "yesterday"], "'yesterday': expected HJD"),
    ],
)
def test_a_bad_value_exits_with_two_and_says_what_was_expected(arguments, message):
    result = CliRunner().invoke(show, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
