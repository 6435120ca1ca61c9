from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stream_worker.subscriber import LiveView, parse_start


def alert(group, alert_type, n=0):
    return {"group_id": group, "alert_type": alert_type, "n": n}


def test_the_view_holds_the_current_alert_of_every_live_group():
    view = LiveView()
    for each in (alert("a", "INITIAL"), alert("b", "INITIAL"), alert("a", "UPDATE", 1)):
        view.apply(each)
    view.apply(alert("b", "RETRACTION"))
    view.apply(alert("never seen", "RETRACTION"))
    assert view.groups == {"a": alert("a", "UPDATE", 1)}
    with pytest.raises(TypeError):
        view.groups["a"] = alert("a", "INITIAL")


def test_a_start_is_a_word_an_offset_or_a_time():
    assert parse_start("beginning") == "beginning"
    assert parse_start("1200") == 1200
    assert parse_start("2026-05-10T00:00") == datetime(2026, 5, 10, tzinfo=UTC)
    with pytest.raises(ValueError, match="yesterday"):
        parse_start("yesterday")
