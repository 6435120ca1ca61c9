from __future__ import annotations

from threading import Event

from stream_worker.monitor import RateLimit
from stream_worker.telemetry.health import Health
from stream_worker.telemetry.watchdog import Watchdog


def test_a_stuck_loop_ends_the_process():
    now, ended, codes = [0.0], Event(), []

    def end(code):
        codes.append(code)
        ended.set()

    health = Health(heartbeat_limit_s=60, monotonic=lambda: now[0])
    watchdog = Watchdog(health, interval_s=0.01, end=end)
    now[0] = 59.0
    assert not ended.wait(0.1)
    health.beat()
    now[0] = 118.0
    assert not ended.wait(0.1)
    now[0] = 120.0
    assert ended.wait(60)
    watchdog.close()
    assert codes == [1]


def test_a_closed_watchdog_is_quiet():
    now, codes = [0.0], []
    watchdog = Watchdog(
        Health(heartbeat_limit_s=1, monotonic=lambda: now[0]), interval_s=0.01, end=codes.append
    )
    watchdog.close()
    now[0] = 100.0
    assert codes == []


def test_repeated_messages_are_limited_by_kind():
    now = [0.0]
    limit = RateLimit(30, lambda: now[0])
    assert [limit.may_speak(kind) for kind in "aabab"] == [True, False, True, False, False]
    now[0] = 30.0
    assert limit.may_speak("a")
