"""The whole report, on simulated stars written as if they were real, and on the real ones."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from model_build.realism.cli import realism
from model_build.realism.quiet_stars import magnitude_sweep, real_quiet, simulate_quiet
from model_build.realism.real_files import read_folder
from model_build.season.config import load_config

FILES = {"CTIO": "KMTC14_I.pysis", "SSO": "KMTA14_I.pysis"}
SHORT_SEASON = """
[cadence]
season_start = "06-20"
season_end = "08-01"
first_run = "07-01"
last_run = "07-31"
"""


@pytest.fixture(scope="session")
def cache(request):
    """Folder of ephemerides, kept between runs."""
    return request.config.cache.mkdir("realism")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Configuration of a season of seven weeks."""
    path = tmp_path_factory.mktemp("config") / "short.toml"
    path.write_text(SHORT_SEASON)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, short, cache):
    """A star of the simulator as the survey would publish it, away from an event that was long before."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "KMT_args.csv").write_text(
        "index_year_number,t_0,t_E,u_0,I_base\n2018_0001,8150.0,5.0,0.1,19\n"
    )
    event = folder / "KMT-2018-BLG-0001"
    event.mkdir()
    flux = 10.0 ** (0.4 * (28.0 - 19.0))
    for _, _, curve in magnitude_sweep(
        load_config(short), [19.0], field="BLG14", year=2018, seasons=1, seed=99, cache=cache
    ):
        if curve.site in FILES:
            lines = ["# HJD \\Delta_flux flux_err mag mag_err fwhm sky secz"]
            for t, f, e, w, s, x in np.stack(
                [curve.hjd, curve.flux, curve.flux_err, curve.fwhm, curve.sky_background, curve.airmass],
                axis=1,
            ).tolist():
                magnitude = 28.0 - 2.5 * math.log10(flux + f) if flux + f > 0.0 else math.nan
                width = -1.0 if math.isnan(w) else w
                lines.append(f"{t:.5f} {-f:.4f} {e:.4f} {magnitude:.4f} 0.1 {width:.2f} {s:.0f} {x:.2f}")
            (event / FILES[curve.site]).write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("season")
    pq.write_table(
        pa.table(
            {
                "t_E": [10.0, 20.0],
                "u_0": [0.1, 0.2],
                "i_base": [18.0, 19.0],
                "event_class": ["clear"] * 2,
                "source": [1, 2],
            }
        ),
        folder / "events.parquet",
    )
    return folder


def _run(*arguments):
    return CliRunner().invoke(realism, [str(argument) for argument in arguments])


def test_simulated_stars_stand_in_for_the_files(folder, short, cache):
    files = read_folder(folder)
    real = real_quiet(files)
    simulated = simulate_quiet(files, load_config(short), seasons=2, seed=1, cache=cache)
    assert [curve.season for curve in simulated] == [1, 1, 2, 2]
    for curve in simulated:
        twin = next(one for one in real if one.name == curve.name)
        assert curve.curve.site == twin.curve.site
        assert twin.start <= curve.curve.hjd[0]
        assert curve.curve.hjd[-1] <= twin.curve.hjd[-1]
        assert curve.curve.flux_err.min() > 0.0
        assert 0.6 < np.median(curve.curve.flux_err) / np.median(twin.curve.flux_err) < 1.6
    again = simulate_quiet(files, load_config(short), seasons=2, seed=1, cache=cache)
    for one, other in zip(simulated, again, strict=True):
        np.testing.assert_array_equal(one.curve.flux, other.curve.flux)
    assert simulated[0].curve.hjd.size != simulated[2].curve.hjd.size


def test_the_report_is_one_page_and_one_line_of_json(folder, archive, short, cache, tmp_path):
    out = tmp_path / "new" / "page.html"
    result = _run(
        "--real", folder, "--archive", archive, "--season", 2018, "--seasons", 2, "--config", short,
        "--cache", cache, "--out", out, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["detected_events"] == 2
    assert (summary["files"], summary["quiet_files"]) == (2, 2)
    everything = summary["tellings"][0]
    assert everything["low"] <= everything["auc"] <= everything["high"]
    page = out.read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    for word in ("FWHM", "Airmass", "Detected events", "KMTC14_I.pysis", "9,791"):
        assert word in page
    assert page.count("<img") == 2 + 12 + 2


def test_bad_input_is_told_without_a_traceback(folder, tmp_path):
    result = _run("--real", tmp_path)
    assert result.exit_code == 1
    assert "KMT_args.csv: No such file" in result.output
    bad = tmp_path / "bad.toml"
    bad.write_text("[cadence]\nmax_airmass = 0.5\n")
    result = _run("--real", folder, "--config", bad)
    assert result.exit_code == 1
    assert "cadence.max_airmass" in result.output
    result = _run("--real", folder, "--archive", tmp_path)
    assert result.exit_code == 1
    assert "events.parquet: no such file" in result.output


def test_real_stars_scatter_more_than_they_say(realdata):
    scatters = [
        float(np.std(quiet.curve.flux / quiet.curve.flux_err))
        for quiet in real_quiet(read_folder(realdata / "kmtnet"))
        if quiet.raw
    ]
    assert len(scatters) == 3
    assert all(1.3 < scatter < 3.0 for scatter in scatters)
