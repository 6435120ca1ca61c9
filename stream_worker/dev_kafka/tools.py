"""Java and Maven as found on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from stream_worker.dev_kafka.errors import MissingToolError

OLDEST_JAVA = 17  # Kafka 4 brokers


def java_major(version_output: str) -> int | None:
    """Return the feature release in the output of ``java -version`` (8, 17, 21, …), None if there is none."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', version_output)
    if found is None:
        return None
    first, second = found.groups()
    return int(second) if first == "1" and second else int(first)  # "1.8.0_392" is Java 8


def require_java(env: Mapping[str, str]) -> str:
    """Return the path of a Java that can run Kafka: ``$JAVA_HOME/bin/java``, else the first on ``PATH``.

    Raises
    ------
    MissingToolError
        No Java, or one older than 17.
    """
    java = _java(env)
    answer = subprocess.run(  # noqa: S603 the user's own Java
        [java, "-version"], capture_output=True, text=True, check=False, env=dict(env)
    )
    output = answer.stderr + answer.stdout
    major = java_major(output)
    if major is None:
        raise MissingToolError(f"{java} -version does not name a version; it printed: {output.strip()!r}")
    if major < OLDEST_JAVA:
        raise MissingToolError(f"{java} is Java {major}; Kafka 4 needs Java {OLDEST_JAVA} or newer")
    return java


def require_maven(env: Mapping[str, str]) -> str:
    """Return the path of ``mvn``.

    Raises
    ------
    MissingToolError
        ``mvn`` is not on ``PATH``.
    """
    maven = shutil.which("mvn", path=env.get("PATH", ""))
    if maven is None:
        raise MissingToolError(
            "mvn is not on PATH: Kafka's jars are fetched once with Apache Maven; install Maven 3.6+, "
            "or point KAFKA_BOOTSTRAP_SERVERS at a Kafka that is already running"
        )
    return maven


def _java(env: Mapping[str, str]) -> str:
    home = env.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if not java.is_file():
            raise MissingToolError(f"JAVA_HOME is {home}, but there is no {java}")
        return str(java)
    found = shutil.which("java", path=env.get("PATH", ""))
    if found is None:
        raise MissingToolError(
            f"java is not on PATH and JAVA_HOME is not set: install Java {OLDEST_JAVA} or newer, "
            "or point KAFKA_BOOTSTRAP_SERVERS at a Kafka that is already running"
        )
    return found
