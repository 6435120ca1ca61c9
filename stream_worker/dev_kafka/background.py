"""The one node that ``up`` leaves running in the background, and ``down`` stops."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stream_worker.dev_kafka.errors import StartError
from stream_worker.dev_kafka.guard import end, start_time
from stream_worker.dev_kafka.jars import cache_folder, locked
from stream_worker.dev_kafka.node import STOP_TIMEOUT_S, KafkaNode, create_node


@dataclass(frozen=True, slots=True)
class BackgroundNode:
    """What is written down of the node: enough to use it and to end it, not another of its pid."""

    bootstrap_servers: str
    pid: int
    born: int
    folder: str

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return start_time(self.pid) == self.born


def find(env: Mapping[str, str]) -> BackgroundNode | None:
    """Return the node that ``up`` started last and ``down`` has not stopped; it may have died since."""
    try:
        text = _state_file(env).read_text()
    except FileNotFoundError:
        return None
    return BackgroundNode(**json.loads(text))


def up(env: Mapping[str, str], say: Callable[[str], None]) -> BackgroundNode:
    """Return the node that runs in the background, starting it if there is none.

    Raises
    ------
    MissingToolError, DownloadError, StartError
        It cannot be had.
    """
    with locked(_lock_file(env)):
        found = find(env)
        if found is not None and found.alive:
            say(f"Kafka is already running (process {found.pid})")
            return found
        if found is not None:
            say(f"the Kafka of process {found.pid} has died; starting another")
            _forget(found, env)
        return _start(env, say)


def down(env: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Stop the node in the background and remove its data; does nothing if there is none."""
    with locked(_lock_file(env)):
        found = find(env)
        if found is None:
            say("no Kafka is running in the background")
            return
        end(found.pid, found.born, grace_s=STOP_TIMEOUT_S)
        _forget(found, env)
        say(f"stopped Kafka (process {found.pid}) and removed its data")


def _start(env: Mapping[str, str], say: Callable[[str], None]) -> BackgroundNode:
    node = create_node(env=env, say=say, tied=False)
    try:
        node.start()
        started = _describe(node)
        draft = _state_file(env).with_suffix(".draft")
        draft.write_text(json.dumps(asdict(started)))
        draft.replace(_state_file(env))
    except BaseException as error:
        node.keep_log = isinstance(error, Exception)
        node.discard()
        raise
    return started


def _describe(node: KafkaNode) -> BackgroundNode:
    pid = node.pid
    born = None if pid is None else start_time(pid)
    if pid is None or born is None:
        raise StartError(f"the Kafka node ended as soon as it had started; see {node.log}")
    return BackgroundNode(node.bootstrap_servers, pid, born, str(node.folder))


def _forget(node: BackgroundNode, env: Mapping[str, str]) -> None:
    shutil.rmtree(node.folder, ignore_errors=True)
    _state_file(env).unlink(missing_ok=True)


def _state_file(env: Mapping[str, str]) -> Path:
    return cache_folder(env) / "kafka-node.json"


def _lock_file(env: Mapping[str, str]) -> Path:
    return cache_folder(env) / "kafka-node.lock"
