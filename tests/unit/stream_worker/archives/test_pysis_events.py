"""Folders of pySIS files with an event list, day by day as AlertFinder would have seen them."""

from __future__ import annotations

import numpy as np
import pytest

from model_build.season.config import load_config
from stream_worker.archives import ArchiveFault, open_archives
from stream_worker.archives.pysis_events import DETECTION, read_event_list, weekday_runs


def write_star(folder, *, last=8250.0, slope=200.0, sites="CS"):
    """A star that rises from 8200 on, observed six times a night."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    for site in sites:
        hjd = np.sort(np.concatenate([night + rng.uniform(0.2, 0.45, 6) for night in range(8140, int(last))]))
        flux = rng.normal(0, 80, hjd.size) + slope * np.maximum(hjd - 8200.0, 0)
        rows = [
            f"{2450000 + t:.5f} {-f:.2f} 100.0 18.000 0.050 4.2 900 1.2"
            for t, f in zip(hjd, flux, strict=True)
        ]
        (folder / f"KMT{site}14_I.pysis").write_text("\n".join(rows) + "\n")


def listed(path, *names):
    path.write_text("event,ra,dec\n" + "".join(f"{name},17:38:24,-28.4\n" for name in names))
    return read_event_list(path)


def read(archive):
    return [one.content for piece in archive.pieces for one in archive.read(piece)]


def test_each_flagged_weekday_is_a_candidate_that_sees_nothing_later(tmp_path):
    write_star(tmp_path / "KB0001")
    events = listed(tmp_path / "events.csv", "KB0001")
    (archive,) = open_archives([tmp_path], events=events).archives
    found = read(archive)
    assert len(found) > 10
    t_cuts = [one.alertfinder.t_cut for one in found]
    assert t_cuts == sorted(set(t_cuts))
    assert all(one.alertfinder.t_cut > 8200 for one in found)
    for one in found:
        assert one.alertfinder.t_cut % 1 == pytest.approx(0.75)  # 06:00 UT
        assert max(float(lc.hjd[-1]) for lc in one.light_curves) <= one.alertfinder.t_cut
        assert (int(one.alertfinder.t_cut + 2450000.5 + 0.5) % 7) < 5  # Monday is 0


def test_what_comes_later_changes_no_earlier_day(tmp_path):
    write_star(tmp_path / "long" / "KB0001", last=8250)
    write_star(tmp_path / "short" / "KB0001", last=8230)
    for name in ("KMTC14_I.pysis", "KMTS14_I.pysis"):  # the same rows, cut
        lines = (tmp_path / "long" / "KB0001" / name).read_text().splitlines()
        cut = [line for line in lines if float(line.split()[0]) < 2458230]
        (tmp_path / "short" / "KB0001" / name).write_text("\n".join(cut))
    events = listed(tmp_path / "events.csv", "KB0001")
    found = {
        which: {one.run_id: one for one in read(open_archives([tmp_path / which], events=events).archives[0])}
        for which in ("long", "short")
    }
    common = [run for run in found["short"] if run < "2018-04-20"]
    assert len(common) > 3
    for run in common:
        one, other = found["long"][run], found["short"][run]
        assert one.candidate_id == other.candidate_id
        assert one.alertfinder == other.alertfinder
        assert [len(lc.hjd) for lc in one.light_curves] == [len(lc.hjd) for lc in other.light_curves]


def test_the_numbers_are_those_of_the_season_simulator():
    assert load_config().detection == DETECTION


def test_real_events(realdata, tmp_path):
    names = ("KMT-2018-BLG-0002", "KMT-2018-BLG-0003")
    (archive,) = open_archives([realdata / "kmtnet"], events=listed(tmp_path / "e.csv", *names)).archives
    found = read(archive)
    assert {one.star_id for one in found} == set(names)
    assert all(one.alertfinder.delta_chi2 > 250 and one.alertfinder.slope > 0 for one in found)
    assert found[0].run_id == "2018-03-12"


def test_a_listed_event_without_files_is_named(tmp_path):
    write_star(tmp_path / "KB0001", sites="C")
    opened = open_archives([tmp_path], events=listed(tmp_path / "events.csv", "KB0001", "KB0002"))
    assert "missing: events.csv lists it, no *.pysis there" in str(opened.faults[0])
    assert len(opened.archives[0].pieces) == 1


def test_a_malformed_file_is_named_with_line_and_value(tmp_path):
    write_star(tmp_path / "KB0001", sites="C")
    file = tmp_path / "KB0001" / "KMTC14_I.pysis"
    file.write_text(file.read_text() + "2458250.5 oops 100 18 0.05 4 900 1.2\n")
    (archive,) = open_archives([tmp_path], events=listed(tmp_path / "events.csv", "KB0001")).archives
    with pytest.raises(ArchiveFault, match=r"KMTC14_I.pysis: line \d+, column delta_flux: 'oops'"):
        read(archive)


def test_a_fault_names_its_event_within_the_folder(tmp_path):
    for name in ("KB0001", "KB0002"):
        write_star(tmp_path / name, sites="C")
        (tmp_path / name / "KMTC14_I.pysis").write_text("2458250.5 oops 100 18 0.05 4 900 1.2\n")
    events = listed(tmp_path / "events.csv", "KB0001", "KB0002")
    (archive,) = open_archives([tmp_path], events=events).archives
    told = []
    for piece in archive.pieces:
        with pytest.raises(ArchiveFault) as raised:
            list(archive.read(piece))
        told.append((raised.value.path, raised.value.where))
    assert told == [(tmp_path, "KB0001/KMTC14_I.pysis"), (tmp_path, "KB0002/KMTC14_I.pysis")]


def test_more_files_than_a_packet_may_hold_are_a_fault(tmp_path):
    folder = tmp_path / "KB0001"
    folder.mkdir()
    for number in range(65):
        name = f"KMT{'ACS'[number % 3]}{number:02d}_I.pysis"
        (folder / name).write_text("8170.1 -1.0 2.0 19.0 0.1\n")
    (archive,) = open_archives([tmp_path], events=listed(tmp_path / "events.csv", "KB0001")).archives
    with pytest.raises(ArchiveFault, match=r"KB0001: 65 datasets .* holds at most 64"):
        read(archive)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("event,ra\nA,1\n", "lacks the columns dec"),
        ("", "lacks the columns event, ra, dec"),
        ("event,ra,dec\nA,400,1\n", "line 2: right ascension '400'"),
        ("event,ra,dec\n../A,4,1\n", "expected the name of a folder"),
        ("event,ra,dec\nA,4,1\nA,4,1\n", "lists A more than once"),
    ],
)
def test_a_bad_event_list_is_named(tmp_path, text, message):
    path = tmp_path / "events.csv"
    path.write_text(text)
    with pytest.raises(ArchiveFault, match=message):
        read_event_list(path)


def test_a_folder_of_light_curves_wants_an_event_list(tmp_path):
    write_star(tmp_path / "KB0001", sites="C")
    assert "name an event list with --events" in str(open_archives([tmp_path]).faults[0])


def test_runs_end_with_the_first_after_the_last_observation():
    runs = weekday_runs((8140.2, 8150.4))
    assert runs[-1].t_cut > 8150.4 > runs[-2].t_cut
    assert weekday_runs(None) == []
