"""Both Parquet layouts give back what was written, in bounded parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.candidates import make_candidates

from stream_worker.archives import ArchiveFault, open_archives
from stream_worker.archives.parquet_layout import write_parquet
from stream_worker.candidate import Candidate
from stream_worker.codec import BadPacket, encode_candidate

CANDIDATES = list(make_candidates(30, 3))
LAYOUTS = ["nested", "long"]


def read(path):
    opened = open_archives([path])
    assert opened.faults == (), opened.faults
    (archive,) = opened.archives
    return archive, [one.content for piece in archive.pieces for one in archive.read(piece)]


def curve_with(lc, **columns):
    return replace(lc, **columns)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_round_trip(tmp_path, layout):
    path = tmp_path / "a.parquet"
    odd = CANDIDATES[3]
    first, *rest = odd.light_curves
    nan = np.where(np.arange(first.hjd.size) % 2, np.float32("nan"), first.fwhm)
    odd = replace(
        odd,
        chip=None,
        x=None,
        baseline_mag=None,
        light_curves=(curve_with(first, fwhm=nan, psf_quality=None, airmass=None), *rest),
    )
    candidates = [*CANDIDATES[:3], odd, *CANDIDATES[4:]]
    assert write_parquet(path, candidates, layout) == 30
    archive, found = read(path)
    assert archive.kind == f"Parquet, {layout}"
    assert [encode_candidate(c) for c in found] == [encode_candidate(c) for c in candidates]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 400), batch=st.integers(1, 500))
def test_long_rows_may_be_cut_into_row_groups_anywhere(tmp_path, monkeypatch, seed, rows, batch):
    candidates = list(make_candidates(7, seed))
    path, cut = tmp_path / "a.parquet", tmp_path / "cut.parquet"
    write_parquet(path, candidates, "long")
    pq.write_table(pq.read_table(path), cut, row_group_size=rows)
    monkeypatch.setattr("stream_worker.archives.parquet._LONG_ROWS", batch)
    archive, found = read(cut)
    assert [encode_candidate(c) for c in found] == [encode_candidate(c) for c in candidates]
    for piece in archive.pieces:
        assert [one.record for one in archive.read(piece)] == list(
            range(piece.first, piece.first + piece.count)
        )


def test_scattered_rows_of_a_candidate_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, CANDIDATES[:3], "long")
    table = pq.read_table(path)
    pq.write_table(table.take([*range(10, table.num_rows), *range(10)]), path)
    (fault,) = open_archives([path]).faults
    assert "the rows of 1 candidates do not follow one another" in str(fault)


def test_a_table_of_something_else_names_what_it_lacks(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, CANDIDATES[:3], "long")
    pq.write_table(pq.read_table(path).drop_columns(["flux", "star_id"]), path)
    (fault,) = open_archives([path]).faults
    assert "as a long one it lacks star_id, flux" in str(fault)


def test_no_parquet_at_all_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 no")
    (fault,) = open_archives([path]).faults
    assert "no Parquet file that can be read" in str(fault)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_invalid_candidate_costs_only_itself(tmp_path, layout):
    path = tmp_path / "a.parquet"
    write_parquet(path, [CANDIDATES[0], replace(CANDIDATES[1], dec=-91.0), CANDIDATES[2]], layout)
    _, found = read(path)
    assert [type(one) for one in found] == [Candidate, BadPacket, Candidate]
    assert found[1].reason == "position_out_of_range"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_flipped_bit_of_a_column_is_never_another_value(tmp_path, layout):
    path = tmp_path / "a.parquet"
    write_parquet(path, CANDIDATES, layout)
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    flux = next(one for one in columns if "flux" in one.path_in_schema.split("."))
    content = bytearray(path.read_bytes())
    content[flux.data_page_offset + flux.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    (archive,) = open_archives([path]).archives
    with pytest.raises(ArchiveFault, match=r"row group 0: .*(CRC|crc)"):
        list(archive.read(archive.pieces[0]))


def changed(path, layout, name, values):
    """A file of candidates in which one column is another."""
    write_parquet(path, CANDIDATES[:3], layout)
    table = pq.read_table(path)
    place = table.schema.get_field_index(name)
    pq.write_table(table.set_column(place, name, values(table.column(name))), path)
    return path


def nested_curves(column):
    """The light curves with sites as numbers and without airmass."""
    curves = [
        [{**{k: v for k, v in one.items() if k != "airmass"}, "site": 1, "fwhm": "wide"} for one in row]
        for row in column.to_pylist()
    ]
    return pa.array(curves)


@pytest.mark.parametrize(
    ("layout", "name", "values", "expected"),
    [
        ("nested", "ra", lambda c: c.cast(pa.string()), "column ra is string, expected double"),
        ("long", "flux", lambda c: c.cast(pa.string()), "column flux is string, expected float"),
        ("long", "star_id", lambda c: pa.array(range(len(c))), "column star_id is int64, expected string"),
        ("nested", "produced_at", lambda c: pa.array(["now"] * len(c)), "column produced_at is string, exp"),
        ("nested", "alertfinder", lambda c: pa.array([1.0] * len(c)), "column alertfinder is double, exp"),
        ("nested", "light_curves", nested_curves, "column light_curves.item.site is int64, expected str"),
        ("nested", "light_curves", nested_curves, "column light_curves.item.fwhm is string, expected list"),
        ("nested", "light_curves", nested_curves, "column light_curves.item lacks airmass"),
    ],
)  # fmt: skip
def test_a_column_of_another_kind_is_named(tmp_path, layout, name, values, expected):
    (fault,) = open_archives([changed(tmp_path / "a.parquet", layout, name, values)]).faults
    assert f"as a {layout} table of candidates: " in str(fault)
    assert expected in str(fault)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.int64()])
def test_times_come_in_any_unit(tmp_path, layout, kind):
    path = changed(tmp_path / "a.parquet", layout, "produced_at", lambda column: column.cast(kind))
    _, found = read(path)
    assert [one.produced_at for one in found] == [one.produced_at for one in CANDIDATES[:3]]


def test_names_may_come_as_a_dictionary_and_a_number_too_large_is_named(tmp_path):
    path = changed(tmp_path / "a.parquet", "long", "star_id", lambda column: column.dictionary_encode())
    _, found = read(path)
    assert [one.star_id for one in found] == [one.star_id for one in CANDIDATES[:3]]
    changed(path, "nested", "season", lambda column: pa.array([2**40] * len(column)))
    with pytest.raises(ArchiveFault, match=r"row group 0: column season: .*1099511627776"):
        read(path)
