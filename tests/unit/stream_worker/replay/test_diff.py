"""What differs between two runs, and the page that shows it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stream_worker.codec import encode, read_candidates
from stream_worker.codec.errors import BadPacket, Reason
from stream_worker.deduplicate_stage import RETRACT_SCHEMA
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
from stream_worker.replay.diff.compare import compare
from stream_worker.replay.diff.curves import from_archives
from stream_worker.replay.diff.page import most_changed, write_diff_page
from stream_worker.replay.diff.parquet import view_of_result
from stream_worker.replay.diff.text import as_json, details
from stream_worker.replay.diff.topics import _add_scores, _but_orders
from stream_worker.replay.diff.view import RunView
from stream_worker.replay.output import PINS_KEY, SCHEMA, result_writer
from stream_worker.settings import Settings


def alert(sequence, kind, reason="threshold_crossed:balanced"):
    return {
        "sequence": sequence, "at": 0, "type": kind, "reason": reason, "revision": 0, "superseded_by": None,
        "members": [], "crowded": False,
    }  # fmt: skip


def row(number, p, *, outcome="SCORED", final=None, alerts=()):
    values = {
        "source": "run.avro",
        "record": number,
        "candidate_id": f"c{number}",
        "star_id": f"S{number}",
        "t_cut": 9340.0 + number,
        "outcome": outcome,
        "alerts": list(alerts),
    }
    if p is not None:
        values.update(p_review=p, p_yes=p, p_maybe=0.0, p_no=1 - p, p_event=p / 2)
        values["decisions"] = [
            {"name": "balanced", "threshold": 0.45, "passed": p >= 0.45},
            {"name": "pure", "threshold": 0.955, "passed": p >= 0.955},
        ]
    if final is not None:
        strongest, members = final
        values.update(
            final_primary=strongest is None,
            final_strongest=strongest,
            final_members=list(members),
            final_crowded=False,
            final_live=strongest is None,
        )
    return values


ROWS = [
    row(0, 0.9, final=(None, ["S1"]), alerts=[alert(0, "INITIAL")]),
    row(1, 0.6, final=("S0", ["S0"])),
    row(2, 0.2),
    row(3, None, outcome="TOO_FEW_OBSERVATIONS"),
    {**row(4, None, outcome="QUARANTINED"), "reason": "truncated", "star_id": None, "t_cut": None},
]


@pytest.fixture
def view(tmp_path):
    def of(name, rows, **about):
        path = tmp_path / f"{name}.parquet"
        metadata = {PINS_KEY: json.dumps({"replay_id": name, **about}).encode()}
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA.with_metadata(metadata)), path)
        return view_of_result(path)

    return of


def changed(number, **values):
    return [{**one, **values} if one["record"] == number else one for one in ROWS]


def test_equal_runs_do_not_differ(view):
    found = compare(view("a", ROWS), view("b", ROWS))
    assert found.empty
    assert len(found.pairs) == 4
    assert as_json(found)["pins"] == {"replay_id": ["a", "b"]}


def test_rounding_is_no_difference(view):
    found = compare(view("a", ROWS), view("b", changed(0, p_review=0.9 + 4e-7)))
    assert found.empty
    assert found.pairs[0].change == pytest.approx(4e-7)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (changed(0, p_review=0.9 + 3e-6), "scores"),
        (changed(0, p_yes=0.8), "scores"),
        (changed(0, p_event=0.9), "scores"),
        (changed(0, p_event=None), "scores"),
        (changed(1, p_review=0.44, decisions=row(0, 0.44)["decisions"]), "decisions"),
        (changed(3, outcome="SCORED"), "outcomes"),
        (changed(4, reason="oversize"), "refused"),
        (changed(0, final_members=[]), "groups"),
        (changed(1, final_strongest=None, final_primary=True), "groups"),
        (changed(0, alerts=[]), "live"),
        (ROWS[1:], "only_a"),
        ([*ROWS, row(9, 0.5)], "only_b"),
    ],
)
def test_each_difference_is_found(view, rows, kind):
    found = compare(view("a", ROWS), view("b", rows))
    assert not found.empty
    assert getattr(found, kind)
    assert as_json(found)[kind]


def test_another_calibration_is_shown(tmp_path, view):
    found = compare(view("a", ROWS), view("b", changed(0, p_event=None)))
    assert as_json(found)["scores"][0]["p_event"] == [0.45, None]
    columns, rows = next((c, r) for title, c, r in details(found) if title == "scores that changed")
    assert dict(zip(columns, rows[0], strict=True))["p_event a"] == 0.45
    path = tmp_path / "diff.html"
    write_diff_page(path, found, {})
    assert "p_event b" in path.read_text()


def test_topics_tell_p_event():
    score = {
        "candidate_id": "c0",
        "star_id": "S0",
        "t_cut": 9340.0,
        "halo": False,
        "p_review": 0.9,
        "p_event": 0.45,
        "class_probabilities": {"yes": 0.9, "maybe": 0.0, "no": 0.1},
        "decisions": [],
        "model": {"name": "m", "version": "1", "sha256": "0", "preprocessing_version": 1},
        "settings_hash": "0",
    }
    runs = [RunView("a"), RunView("b")]
    for run, p_event in zip(runs, (0.45, 0.46), strict=True):
        _add_scores(run, [{**score, "p_event": p_event}])
    assert compare(*runs).pairs[0].change == pytest.approx(0.01)


def test_another_lifecycle_with_the_same_end_is_reported_and_no_failure(view):
    longer = [alert(0, "INITIAL"), alert(1, "RETRACTION", "superseded"), alert(2, "INITIAL")]
    found = compare(view("a", ROWS), view("b", changed(0, alerts=longer)))
    assert found.empty
    assert list(found.lifecycles) == ["S0"]


def test_threshold_crossings_say_which_and_where_to(view):
    found = compare(
        view("a", ROWS), view("b", changed(0, p_review=0.97, decisions=row(0, 0.97)["decisions"]))
    )
    tables = {title: rows for title, _, rows in details(found)}
    assert tables["threshold crossings"][0][-1] == "pure up"
    assert as_json(found)["decisions"][0]["crossed"] == ["pure"]


def test_the_page_is_one_file_and_shows_the_light_curve(tmp_path, view, archive):
    candidate = next(iter(read_candidates(archive / "run-2021-05-10.avro")))
    found = compare(
        view("a<b>", ROWS), view("b", changed(0, p_review=0.3, decisions=row(0, 0.3)["decisions"]))
    )
    path = tmp_path / "diff.html"
    assert [pair.a.candidate_id for pair in most_changed(found)] == ["c0"]
    write_diff_page(path, found, {"c0": replace(candidate, star_id="S0")})
    html = path.read_text()
    assert "a&lt;b&gt;" in html
    assert "a<b>" not in html
    assert html.count("<figure>") == 2
    assert "balanced down" in html
    assert re.findall(r'(?:src|href)="(?!data:image/png|#)', html) == []


def test_a_star_is_shown_once_where_it_changed_most(view):
    first, second, third = row(0, 0.9), {**row(1, 0.9), "star_id": "S0"}, row(2, 0.9)
    after = [{**one, "p_review": p} for one, p in ((first, 0.3), (second, 0.1), (third, 0.5))]
    found = compare(view("a", [first, second, third]), view("b", after))
    assert [pair.a.candidate_id for pair in most_changed(found)] == ["c1", "c2"]


def test_without_light_curves_or_differences_the_page_says_so(tmp_path, view):
    path = tmp_path / "diff.html"
    write_diff_page(path, compare(view("a", ROWS), view("b", ROWS)), {})
    assert "No score changed." in path.read_text()
    write_diff_page(path, compare(view("a", ROWS), view("b", changed(0, p_review=0.3))), {})
    assert "name their archives with --archive" in path.read_text()
    write_diff_page(path, compare(view("a", []), view("b", [])), {})
    assert "No candidate was scored in both runs." in path.read_text()


def test_what_is_no_result_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    with pytest.raises(ValueError, match="no Parquet file"):
        view_of_result(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ValueError, match="no result of a replay"):
        view_of_result(path)


def test_a_result_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a.parquet"
    with pytest.raises(RuntimeError), result_writer(path, {}, tmp_path / "part"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_orders_to_retract_are_no_scores_that_could_not_be_decoded():
    order = {
        "group_id": "g", "tense": "CURRENT", "replay_id": None, "cell": 1, "star_id": "S",
        "reason": "asteroid", "requested_at": 1,
    }  # fmt: skip
    packet = single_object(RETRACT_SCHEMA, encode(RETRACT_SCHEMA, order))
    heard = []
    tell = _but_orders(Settings(), lambda record, error: heard.append((record.offset, str(error))))
    for offset, value in enumerate((packet, b"spoilt", packet[:-1])):
        tell(SourceRecord("lensnet.scores", 0, offset, None, value), BadPacket(Reason.UNKNOWN_SCHEMA, "no"))
    assert [offset for offset, _ in heard] == [1, 2]


def test_archives_whose_light_curves_cannot_be_read_are_told(tmp_path, archive):
    good, broken, cut = (tmp_path / f"{name}.avro" for name in ("good", "broken", "cut"))
    shutil.copy(archive / "run-2021-05-11.avro", good)
    broken.write_bytes(b"JFIF")
    cut.write_bytes(good.read_bytes()[:-40_000])
    wanted = {one.candidate_id for one in read_candidates(good)}
    told = []
    found = from_archives([broken, cut, good], wanted, told.append)
    assert set(found) == wanted
    assert {fault.path for fault in told} == {broken, cut}
