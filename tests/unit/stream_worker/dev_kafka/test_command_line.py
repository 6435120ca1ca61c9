"""``run`` on a Kafka that is already there: nothing is started, and so neither Java nor Maven is needed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from stream_worker.dev_kafka import dev_kafka


@pytest.fixture
def env(tmp_path):
    return {"PATH": "/bin", "XDG_CACHE_HOME": str(tmp_path), "KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092"}


def cli(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stream_worker.dev_kafka", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_given_kafka_is_handed_on(env):
    with dev_kafka(env=env) as kafka:
        assert kafka.bootstrap_servers == "broker.example:9092"
        assert kafka.node is None


def test_run_hands_a_given_kafka_to_its_command_and_exits_with_its_code(env):
    result = cli("run", "--", "sh", "-c", "echo $KAFKA_BOOTSTRAP_SERVERS; exit 5", env=env)
    assert (result.returncode, result.stdout, result.stderr) == (5, "broker.example:9092\n", "")


@pytest.mark.parametrize(
    ("command", "code"), [(["no-such-command-anywhere"], 127), (["sh", "-c", "kill -TERM $$"], 143)]
)
def test_run_reports_missing_commands_and_signals_as_a_shell_does(env, command, code):
    assert cli("run", "--", *command, env=env).returncode == code


def test_options_of_the_command_are_the_commands(env):
    assert cli("run", "--", "echo", "--help", "--", "-x", env=env).stdout == "--help -- -x\n"


COUNTS_INTERRUPTS = """
import signal, time
interrupts = []
signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
print("ready", flush=True)
while not interrupts:
    time.sleep(0.05)
time.sleep(1)
print(f"{len(interrupts)} interrupts", flush=True)
raise SystemExit(6)
"""


def test_ctrl_c_on_a_terminal_reaches_the_command_once_and_run_waits_for_it(env):
    arguments = ["-m", "stream_worker.dev_kafka", "run", "--", sys.executable, "-c", COUNTS_INTERRUPTS]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, *arguments], env)  # noqa: S606
    with open(terminal, "r+b", buffering=0) as stream:  # noqa: PTH123 a descriptor
        assert b"ready" in stream.read(100)
        stream.write(b"\x03")
        output = b""
        while b"interrupts" not in output:
            output += stream.read(100)
        _, status = os.waitpid(pid, 0)  # before the terminal closes, which would be a SIGHUP
    assert b"1 interrupts" in output
    assert os.waitstatus_to_exitcode(status) == 6


def test_an_interrupt_of_run_alone_is_passed_on(env):
    command = [sys.executable, "-m", "stream_worker.dev_kafka", "run", "--"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", COUNTS_INTERRUPTS],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "1 interrupts\n"
    assert process.returncode == 6


@pytest.mark.parametrize("command", [["up"], ["run", "--", "true"]])
def test_without_java_the_exit_code_is_1_and_the_reason_is_said(env, tmp_path, command):
    bare = {**env, "PATH": str(tmp_path), "KAFKA_BOOTSTRAP_SERVERS": ""}
    result = cli(*command, env=bare)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("dev_kafka: error: java is not on PATH")
    assert len(result.stderr.splitlines()) == 1


def test_down_without_a_node_is_no_error(env):
    result = cli("down", env=env)
    assert (result.returncode, result.stderr) == (0, "dev_kafka: no Kafka is running in the background\n")


def test_status_without_a_node_exits_with_1(env):
    assert cli("status", env=env).returncode == 1


def test_help_shows_examples(env):
    result = cli("--help", env=env)
    assert result.returncode == 0
    assert "dev_kafka run -- pytest" in result.stdout
    assert "dev_kafka up" in result.stdout


def test_importing_the_package_loads_no_kafka_client():
    check = "import sys, stream_worker.dev_kafka; assert 'confluent_kafka' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
