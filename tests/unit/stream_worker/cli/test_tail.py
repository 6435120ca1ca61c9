from __future__ import annotations

from stream_worker.cli.tail import probable


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
