from __future__ import annotations

import pytest

import schemas
from schemas.samples import sample_records
from stream_worker.cli.tail import ALERT_COLUMNS, _Printer, alert_cells, probable

SAMPLE = sample_records(schemas.load("alert", 1))[0]


def alert(group, p_event, kind="INITIAL"):
    return {"group_id": group, "p_event": p_event, "alert_type": kind}


def test_groups_are_shown_once_probable_with_all_that_follows():
    faint, rising = alert("a", 0.1), alert("b", 0.4)
    risen, fallen = alert("b", 0.6, "UPDATE"), alert("b", 0.2, "UPDATE")
    gone, never = alert("b", 0.2, "RETRACTION"), alert("a", 0.1, "RETRACTION")
    unknown = alert("c", None)
    stream = [faint, rising, risen, fallen, gone, never, unknown]
    assert list(probable(stream, 0.5)) == [risen, fallen, gone]
    assert list(probable(stream, None)) == stream
    assert list(probable(stream, 0.0)) == stream[:-1]


@pytest.mark.parametrize(
    ("tense", "kind", "shown"),
    [
        ("CURRENT", "INITIAL", "INITIAL"),
        ("TEST", "INITIAL", "INITIAL TEST"),
        ("ARCHIVAL", "RETRACTION", "RETRACTION ARCHIVAL"),
    ],
)
def test_what_is_not_live_says_so(capsys, tense, kind, shown):
    alert = {**SAMPLE, "tense": tense, "alert_type": kind}
    assert alert_cells(alert)[0] == shown
    _Printer(as_json=False)(alert)
    heading, row = capsys.readouterr().out.splitlines()
    assert row.startswith(f"{shown} ")
    assert row.index(SAMPLE["star_id"]) == heading.index(ALERT_COLUMNS[1])
