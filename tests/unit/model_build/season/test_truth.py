from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_build.season.tables import BadTable
from model_build.season.truth import (
    TRUTH_SCHEMA,
    TruthRow,
    clusters,
    read_truth,
    read_truth_table,
    write_truth,
)
from schemas import load

ROW = TruthRow(
    candidate_id="6b0c", star_id="BLG01M0001.000001", run_id="2021-05-10", t_cut=9344.75, label="yes",
    selected=True, first_run_id="2021-05-03", last_run_id="2021-05-10", new=True, passed=True, alerted=True,
    review_score=0.3, rise_snr=25.0, event_class="clear", kind="event", parent="BLG01M0001.000001", source=7,
    cluster=3, neighbours=2, field="BLG01", chip="M", x=100.5, y=200.25, ra=268.0, dec=-30.0, i_base=18.5,
    t_0=9350.0, u_0=0.1, t_E=20.0, rho=1e-3, f_s=0.5, pi_E_N=0.0, pi_E_E=0.1, s=1.0, q=0.0, alpha=0.0,
)  # fmt: skip
NOTHING = replace(
    ROW, label=None, event_class=None, parent=None, review_score=None, rise_snr=None,
    **dict.fromkeys(["t_0", "u_0", "t_E", "rho", "f_s", "pi_E_N", "pi_E_E", "s", "q", "alpha"]),
)  # fmt: skip
VALUES = {
    "str": st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "int": st.integers(-(2**63), 2**63 - 1),
}


def values_of(annotation):
    kind, *optional = annotation.split(" | ")
    return st.none() | VALUES[kind] if optional else VALUES[kind]


rows = st.builds(TruthRow, **{field.name: values_of(field.type) for field in fields(TruthRow)})


@settings(deadline=None)
@given(table=st.lists(rows, max_size=5))
def test_any_rows_come_back(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "truth.parquet"
    assert write_truth(path, table) == len(table)
    assert read_truth(path) == tuple(table)


def test_schema_is_that_of_the_row_and_on_disk(tmp_path):
    path = tmp_path / "new" / "truth.parquet"
    write_truth(path, [ROW, NOTHING])
    table = read_truth_table(path)
    assert table.schema.equals(TRUTH_SCHEMA, check_metadata=True)
    assert table.column_names == [field.name for field in fields(TruthRow)]
    assert {name for name in table.column_names if table.schema.field(name).nullable} == {
        name for name in table.column_names if getattr(NOTHING, name) is None
    }


def test_equal_rows_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_truth(tmp_path / name, [ROW, NOTHING])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_the_old_table_and_no_litter(tmp_path):
    path = tmp_path / "truth.parquet"
    write_truth(path, [ROW])
    before = path.read_bytes()
    with pytest.raises(pa.ArrowInvalid):
        write_truth(path, [replace(ROW, x="not a number")])
    with pytest.raises(ValueError, match="star_id"):
        write_truth(path, [replace(ROW, star_id=None)])
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["truth.parquet"]


def test_other_files_are_refused(tmp_path):
    text, other, old = (tmp_path / name for name in ("text", "other", "old"))
    text.write_text("no parquet")
    pq.write_table(pa.table({"a": [1]}), other)
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"lensnet.truth_version": "2"}), old)
    with pytest.raises(BadTable, match="no Parquet file"):
        read_truth(text)
    with pytest.raises(BadTable, match=r"version '', expected '2'"):
        read_truth(other)
    with pytest.raises(BadTable, match="columns differ"):
        read_truth(old)
    with pytest.raises(FileNotFoundError):
        read_truth(tmp_path / "absent")


def test_no_hidden_column_is_a_field_of_a_packet():
    hidden = {"label", "selected", "passed", "alerted", "review_score", "rise_snr", "event_class", "kind"}
    hidden |= {"parent", "source", "cluster", "t_0", "u_0", "t_E", "rho", "f_s", "s", "q", "alpha"}
    packet = {field["name"] for field in load("candidate", 1).definition["fields"]}
    assert not hidden & packet
    assert hidden <= {field.name for field in fields(TruthRow)}


def test_clusters_link_neighbours_and_kin():
    dec = -30.0 + np.array([0.0, 15.0, 30.0, 100.0, 200.0, 221.0]) / 3600.0
    parents = [None, None, None, "trail", "trail", None]
    assert clusters(np.full(6, 268.0), dec, parents).tolist() == [0, 0, 0, 1, 1, 2]
    assert clusters(np.zeros(0), np.zeros(0), []).size == 0


@settings(deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 1000))
def test_clusters_agree_with_brute_force(n, seed):
    rng = np.random.default_rng(seed)
    ra, dec = 268.0 + rng.uniform(0.0, 0.05, n), rng.uniform(0.0, 0.05, n)
    parents = [None if number < 6 else f"p{number}" for number in rng.integers(0, 12, n)]
    group = list(range(n))
    for _ in range(n):
        for i in range(n):
            for j in range(n):
                apart = np.hypot((ra[i] - ra[j]) * np.cos(np.radians(dec[i])), dec[i] - dec[j]) * 3600.0
                if apart <= 20.0 or (parents[i] is not None and parents[i] == parents[j]):
                    group[i] = group[j] = min(group[i], group[j])
    number_of = {}
    expected = [number_of.setdefault(one, len(number_of)) for one in group]
    assert clusters(ra, dec, parents).tolist() == expected
