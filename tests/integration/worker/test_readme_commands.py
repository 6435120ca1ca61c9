"""The README's commands, run as they stand there against the test broker."""

from __future__ import annotations

import os
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from support.stream import Stream

from model_build.cli import cli as model_build_cli
from stream_worker.cli import cli as stream_worker_cli
from stream_worker.demo.real_event import light_curve_files
from stream_worker.dev_kafka.ports import free_ports
from stream_worker.local_stream.processes import start_worker, stopping
from stream_worker.local_stream.stream import own_names, worker_environment
from stream_worker.settings import Settings, SettingsError, load_settings

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
ASSIGNMENT = re.compile(r"([A-Z][A-Z_0-9]*)=(.*)")
COMMANDS = re.findall(
    r"^((?:[A-Z_0-9]+=\S+ )*(?:stream-worker|model-build) [^#\n]+?)(?:\s+#.*)?$", README, re.MULTILINE
)
PROBED = sorted({line.split("|")[0].strip() for line in COMMANDS})
PROGRAMS = {"stream-worker": stream_worker_cli, "model-build": model_build_cli}


def parsed(line: str) -> tuple[dict[str, str], list[str]]:
    """The environment that a line of shell sets, and the words of its command."""
    words = shlex.split(line)
    count = next(i for i, word in enumerate(words) if not ASSIGNMENT.fullmatch(word))
    return dict(word.split("=", 1) for word in words[:count]), words[count:]


def faults(line: str) -> list[str]:
    """What is wrong with a line: the settings it sets, its command, its options."""
    environ, words = parsed(line)
    load_settings(environ)
    command: click.Command = PROGRAMS[words[0]]
    context = click.Context(command)
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0]) if rest else None
        if found is None:
            return [f"{command.name} has no command {' '.join(rest[:1])!r}, only {list(command.commands)}"]
        command, rest = found, rest[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    return [f"{command.name} has no {word}" for word in rest if word.startswith("--") and word not in known]


def run(command: list[str], environ: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        env={**os.environ, **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("line", PROBED)
def test_every_command_option_and_variable_exists(line):
    assert faults(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "stream-worker quarantine lst",
        "stream-worker topics creat --partitions 12",
        "stream-worker topics",
        "stream-worker scor",
        "stream-worker tail --from-begining",
        "model-build chek my-bundle",
    ],
)
def test_a_slip_in_a_command_would_be_found(line):
    assert faults(line)


def test_a_slip_in_a_variable_would_be_found():
    with pytest.raises(SettingsError, match="LENSNET_HTP__PORT"):
        faults("LENSNET_HTP__PORT=9109 stream-worker deduplicate")


def test_the_settings_example_is_accepted(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret")
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    file = tmp_path / "worker.toml"
    file.write_text(example.replace("/run/secrets/kafka-password", str(password)))
    settings = load_settings({}, file=file)
    assert settings.kafka.client_properties()["sasl.password"] == "secret"
    assert settings.inference.provider == "cuda"


def test_every_make_target_exists():
    targets = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", README, re.MULTILINE))
    defined = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= defined, targets - defined
    assert {"demo", "test", "check"} <= targets


FIRST_STEPS = """
set -e
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
make() {
  case "$*" in
    setup | kafka-down) ;;
    "-s kafka-up") echo "KAFKA_BOOTSTRAP_SERVERS=$BROKER" ;;
    *) return 9 ;;
  esac
}
model-build() { [ "$*" = "simulate --candidates 300 --out demo" ] && cp -r "$ARCHIVE" demo; }
"""
"""Before the README's own lines: it is set up, the broker is the tests', candidates are simulated already."""


@pytest.mark.timeout(600)
def test_the_first_steps_on_a_real_broker(kafka, topic_prefix, stream_archive, tmp_path):
    (steps,) = (block for block in README.split("```")[1::2] if "kafka-up)" in block)
    (tmp_path / ".venv").symlink_to(BIN.parent)
    for line, bounded in (
        ("LENSNET_HTTP__PORT=9109", f"LENSNET_HTTP__PORT={free_ports(random.Random()).broker}"),
        ("tail --from-beginning ", "tail --from-beginning --json --max 5 --idle-exit 120 > alerts.jsonl "),
    ):
        assert line in steps
        steps = steps.replace(line, bounded)
    own = worker_environment(load_settings({}, overrides=own_names(topic_prefix)))
    del own["LENSNET_KAFKA__BOOTSTRAP_SERVERS"]
    environ = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
    port = str(free_ports(random.Random()).broker)
    done = subprocess.run(
        ["/bin/bash", "-c", FIRST_STEPS + steps],
        env={**environ, **own, "LENSNET_HTTP__PORT": port, "BROKER": kafka, "ARCHIVE": str(stream_archive)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("created  ") == 7
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 5


def test_the_run_it_section_on_a_real_broker(kafka, topic_prefix, tmp_path):
    stream = Stream(kafka, topic_prefix, partitions=2)
    environ = stream.environ
    for file in light_curve_files():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    section = README.split("## Run it")[1].split("```")[1]
    lines = [line.split("#")[0].strip() for line in section.strip().splitlines()]
    assert lines[0].startswith("pip install")
    workers, ports = [], {}
    with stopping(workers, lambda *_: None):
        for line in lines[1:]:
            own, words = parsed(line)
            if words[1] in {"score", "deduplicate"}:
                # another port than written, which this machine may use, but the same for the same
                written = own.get("LENSNET_HTTP__PORT", str(Settings().http.port))
                own["LENSNET_HTTP__PORT"] = ports.setdefault(written, str(free_ports(random.Random()).broker))
                workers.append(start_worker(words[1], {**environ, **own}, tmp_path))
                workers[-1].wait_started()
                continue
            if words[1] == "balance":
                stream.wait(lambda books: all(b.balanced and b.source_records for b in books), workers, 60)
            expanded = [part for word in words for part in (sorted(map(str, tmp_path.glob(word))) or [word])]
            expanded = [
                "1" if before == "--replication-factor" else word
                for before, word in zip(["", *expanded], expanded, strict=False)
            ]
            done = run(expanded, {**environ, **own}, tmp_path)
            assert done.returncode == 0, f"{line}:\n{done.stdout}{done.stderr}"
    shown = run(
        ["stream-worker", "tail", "--from-beginning", "--json", "--idle-exit", "3"], environ, tmp_path
    )
    assert shown.returncode == 0, shown.stderr
    published = next((b.outcomes["PUBLISHED"] for b in stream.books() if b.stage == "deduplicate"), None)
    assert len(shown.stdout.splitlines()) == published
    assert run(["stream-worker", "schema", "alert", "1"], {}, tmp_path).stdout.startswith("{")
