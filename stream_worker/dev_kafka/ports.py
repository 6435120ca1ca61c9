"""Two TCP ports of this machine that nothing uses."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

from stream_worker.dev_kafka.errors import StartError

HOST = "127.0.0.1"
# Below Linux's ephemeral ports (32768-60999): while the node is down, no outgoing connection can take its
# port, and no client that keeps trying to reconnect can connect to itself.
_LOWEST, _HIGHEST = 20_000, 32_000
_TRIES = 200


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the node listens: for clients, and for itself as its own controller."""

    broker: int
    controller: int


def free_ports(rng: random.Random) -> Ports:
    """Return two ports that were free a moment ago; another process may still take them first.

    Raises
    ------
    StartError
        None found in 200 tries.
    """
    free = []
    for port in rng.sample(range(_LOWEST, _HIGHEST), _TRIES):
        if _is_free(port):
            free.append(port)
        if len(free) == 2:
            return Ports(*free)
    raise StartError(f"no two free ports on {HOST} among {_TRIES} tried in {_LOWEST}-{_HIGHEST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
