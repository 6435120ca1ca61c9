"""A command with a Kafka of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

from stream_worker.dev_kafka.guard import guarded
from stream_worker.dev_kafka.node import ENVIRONMENT_VARIABLE, dev_kafka

INTERRUPT_GRACE_S = 30.0  # a worker finishes the batch in hand
TERMINATE_GRACE_S = 10.0


class Terminated(SystemExit):
    """SIGTERM or SIGHUP has arrived."""


def run(command: Sequence[str], env: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Run ``command`` with KAFKA_BOOTSTRAP_SERVERS set, and nothing left running after it.

    Uses the Kafka that KAFKA_BOOTSTRAP_SERVERS already names, else starts a node and stops it afterwards. If
    the command fails, the node's log stays. SIGINT, SIGTERM and SIGHUP end the command first, then the node.

    Returns
    -------
    int
        The command's exit code; 128 + n if signal n ended it; 126 or 127 if it could not be run.
    """
    with dev_kafka(env=env, say=say) as kafka:
        code, interrupted = _run(command, {**env, ENVIRONMENT_VARIABLE: kafka.bootstrap_servers})
        if code != 0 and not interrupted and kafka.node is not None:
            kafka.node.keep_log = True
            say(f"{command[0]} ended with code {code}; Kafka's log is kept: {kafka.node.log}")
    return code


def _run(command: Sequence[str], env: Mapping[str, str]) -> tuple[int, bool]:
    """Return the command's exit code and whether a signal to this process cut it short."""
    with subprocess.Popen(guarded(command), env=dict(env)) as process:  # noqa: S603 the user's own command
        try:
            return _exit_code(process.wait()), False
        except KeyboardInterrupt:
            if not sys.stdin.isatty():  # a terminal sends Ctrl-C to the command as well
                process.send_signal(signal.SIGINT)
            _end(process, INTERRUPT_GRACE_S)
        except Terminated:
            process.terminate()
            _end(process, TERMINATE_GRACE_S)
        return _exit_code(process.wait()), True


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Wait for a command that has been told to end; harder words follow, at once if this is interrupted."""
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(TERMINATE_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
    except BaseException:
        process.kill()
        raise


def _exit_code(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode
