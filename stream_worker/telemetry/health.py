"""Health of a worker and the HTTP end points that tell it: /startupz /livez /readyz /metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


@dataclass(slots=True)
class Health:
    """What the probes report.

    ``started``: the bundle is verified and the consumer has subscribed. Alive: the loop went round
    within ``heartbeat_limit_s``, whatever the broker does. Ready: started, alive and a broker is
    reachable.
    """

    heartbeat_limit_s: float
    monotonic: Callable[[], float] = time.monotonic
    started: bool = False
    broker_reachable: bool = False
    draining: bool = False
    _last_beat: float = field(init=False)

    def __post_init__(self) -> None:
        self._last_beat = self.monotonic()

    def beat(self) -> None:
        """Note that the loop is alive."""
        self._last_beat = self.monotonic()

    def check(self, probe: str) -> tuple[bool, str]:
        """Verdict and its reason for ``startupz``, ``livez`` or ``readyz``."""
        age = self.monotonic() - self._last_beat
        alive = age <= self.heartbeat_limit_s
        if probe == "startupz":
            return self.started, "started" if self.started else "starting"
        if probe == "livez":
            return alive, f"loop went round {age:.1f} s ago, limit {self.heartbeat_limit_s:g} s"
        faults = [
            text
            for wrong, text in (
                (not self.started, "starting"),
                (not alive, f"loop stuck for {age:.1f} s"),
                (not self.broker_reachable, "no broker reachable"),
                (self.draining, "draining"),
            )
            if wrong
        ]
        return not faults, ", ".join(faults) or "ready"


class HealthServer:
    """Serves the end points from a thread of its own until closed."""

    def __init__(self, host: str, port: int, health: Health, registry: CollectorRegistry) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(health, registry))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Port in use."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving. Blocks for at most half a second."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(health: Health, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("?")[0].strip("/")
            if name == "metrics":
                self._reply(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif name in {"startupz", "livez", "readyz"}:
                good, reason = health.check(name)
                self._reply(200 if good else 503, "text/plain; charset=utf-8", f"{reason}\n".encode())
            else:
                self._reply(404, "text/plain; charset=utf-8", b"try /startupz /livez /readyz /metrics\n")

        def _reply(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds and are not worth a log line."""

    return Handler
