"""A real Confluent-compatible registry: Apicurio Registry from Maven Central, its storage in memory.

The first run fetches 108 MB into the cache folder; later ones start in a few seconds.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_worker.codec import RegistryUnavailable
from stream_worker.codec.registry import HttpRegistry
from stream_worker.dev_kafka.guard import guarded
from stream_worker.dev_kafka.jars import cache_folder, locked
from stream_worker.dev_kafka.ports import HOST, free_ports
from stream_worker.dev_kafka.tools import require_java, require_maven

VERSION = "3.0.9"
UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:unpack"
FETCH_PATIENCE_S = 200
START_PATIENCE_S = 60
PORT_RACES = 3


@dataclass
class RegistryNode:
    """A running registry; ``url`` is its Confluent-compatible interface."""

    url: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
def apicurio() -> Path:
    """The unpacked registry, fetched with Maven if it is not in the cache yet."""
    folder = cache_folder(os.environ) / f"registry-{VERSION}"
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            fetch(folder)
    return folder


@pytest.fixture(scope="session")
def registry_node(apicurio, tmp_path_factory) -> Iterator[RegistryNode]:
    """One registry for all tests; each test has its own subjects."""
    with running(apicurio, tmp_path_factory.mktemp("registry")) as node:
        yield node


@pytest.fixture
def registry(registry_node) -> Iterator[HttpRegistry]:
    with HttpRegistry(registry_node.url) as client:
        yield client


@pytest.fixture
def own_registry_node(apicurio, tmp_path) -> Iterator[RegistryNode]:
    """A registry that a test may kill."""
    with running(apicurio, tmp_path) as node:
        yield node


def fetch(folder: Path) -> None:
    """Unpack the distribution into a folder that appears whole or not at all."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    command = [
        require_maven(os.environ),
        "--quiet",
        "--batch-mode",
        "--strict-checksums",
        UNPACK,
        f"-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all",
        f"-DoutputDirectory={partial}",
    ]
    try:
        done = subprocess.run(
            guarded(command),
            cwd=partial,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, (
            f"Maven did not deliver the registry:\n{done.stdout[-2000:]}{done.stderr}"
        )
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def running(apicurio: Path, folder: Path) -> Iterator[RegistryNode]:
    """A registry on a free port, which ends with the block, and with this process however that ends."""
    log = folder / "registry.log"
    node = None
    for _ in range(PORT_RACES):  # another process may take the free port first
        node = start(apicurio, folder, log, free_ports(random.Random()).broker)
        if ready(node):
            break
        stop(node)
    else:
        pytest.fail(f"the registry did not start:\n{log.read_text()[-3000:]}")
    try:
        yield node
    finally:
        stop(node)


def start(apicurio: Path, folder: Path, log: Path, port: int) -> RegistryNode:
    java = [require_java(os.environ), "-XX:TieredStopAtLevel=1", "-Xmx256m"]
    settings = {"QUARKUS_HTTP_HOST": HOST, "QUARKUS_HTTP_PORT": str(port), "APICURIO_STORAGE_KIND": "sql"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            guarded([*java, "-jar", str(apicurio / f"apicurio-registry-app-{VERSION}-runner.jar")]),
            cwd=folder,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return RegistryNode(f"http://{HOST}:{port}/apis/ccompat/v7", process)


def ready(node: RegistryNode) -> bool:
    deadline = time.monotonic() + START_PATIENCE_S
    with HttpRegistry(node.url) as registry:
        while node.process.poll() is None and time.monotonic() < deadline:
            try:
                registry.check()
            except RegistryUnavailable:
                time.sleep(0.2)
            else:
                return True
    return False


def stop(node: RegistryNode) -> None:
    node.process.terminate()
    try:
        node.process.wait(10)
    except subprocess.TimeoutExpired:
        node.process.kill()
        node.process.wait()
