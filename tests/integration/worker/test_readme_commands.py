"""The README's commands, run as they stand there against the test broker."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.stream import Stream

from stream_worker.demo.processes import start_worker, stopping
from stream_worker.demo.real_event import light_curve_files
from stream_worker.settings import load_settings

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
COMMANDS = re.findall(r"^((?:stream-worker|model-build) [^#\n]+?)(?:\s+#.*)?$", README, re.MULTILINE)
PROBED = sorted({line.split("|")[0].strip() for line in COMMANDS})


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
def test_every_command_and_option_exists(line, tmp_path):
    words = shlex.split(line)
    path = words[:1]
    for word in words[1:]:
        if run([*path, word, "--help"], {}, tmp_path).returncode != 0 or word.startswith("-"):
            break
        path.append(word)
    shown = run([*path, "--help"], {}, tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert len(path) > 1, f"no such command: {line}"
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", shown.stdout), f"{line}: {' '.join(path)} has no {option}"


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


def test_the_run_it_section_on_a_real_broker(kafka, topic_prefix, tmp_path):
    stream = Stream(kafka, topic_prefix, partitions=2)
    environ = stream.environ
    for file in light_curve_files():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    section = README.split("## Run it")[1].split("```")[1]
    lines = [line.split("#")[0].strip() for line in section.strip().splitlines()]
    assert lines[0].startswith("pip install")
    workers = []
    with stopping(workers, lambda *_: None):
        for line in lines[1:]:
            words = shlex.split(line)
            if words[1] in {"score", "deduplicate"}:
                workers.append(start_worker(words[1], environ, tmp_path))
                workers[-1].wait_started()
                continue
            if words[1] == "balance":
                stream.wait(lambda books: all(b.balanced and b.source_records for b in books), workers, 60)
            expanded = [part for word in words for part in (sorted(map(str, tmp_path.glob(word))) or [word])]
            expanded = [
                "1" if before == "--replication-factor" else word
                for before, word in zip(["", *expanded], expanded, strict=False)
            ]
            done = run(expanded, environ, tmp_path)
            assert done.returncode == 0, f"{line}:\n{done.stdout}{done.stderr}"
    shown = run(
        ["stream-worker", "tail", "--from-beginning", "--json", "--idle-exit", "3"], environ, tmp_path
    )
    assert shown.returncode == 0, shown.stderr
    published = next((b.outcomes["PUBLISHED"] for b in stream.books() if b.stage == "deduplicate"), None)
    assert len(shown.stdout.splitlines()) == published
    assert run(["stream-worker", "schema", "alert", "1"], {}, tmp_path).stdout.startswith("{")
