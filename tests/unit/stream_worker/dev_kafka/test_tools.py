from __future__ import annotations

import pytest

from stream_worker.dev_kafka.errors import MissingToolError
from stream_worker.dev_kafka.tools import java_major, require_java, require_maven


def program(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize(
    ("output", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ('java version "1.8.0_392"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "11.0.2" 2019-01-15', 11),
        ("command not understood", None),
        ("", None),
    ],
)
def test_the_feature_release_is_read_from_what_java_prints(output, major):
    assert java_major(output) == major


def test_no_java_says_what_to_install_and_what_to_do_without(tmp_path):
    with pytest.raises(MissingToolError, match=r"java is not on PATH.*Java 17.*KAFKA_BOOTSTRAP_SERVERS"):
        require_java({"PATH": str(tmp_path)})


def test_an_old_java_is_refused_by_name_and_version(tmp_path):
    java = program(tmp_path, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    with pytest.raises(MissingToolError) as raised:
        require_java({"PATH": str(tmp_path)})
    assert str(raised.value) == f"{java} is Java 11; Kafka 4 needs Java 17 or newer"


def test_a_java_that_says_something_else_is_refused_with_its_words(tmp_path):
    program(tmp_path, "java", "echo 'no runtime present' >&2; exit 1")
    with pytest.raises(MissingToolError, match="does not name a version; it printed: 'no runtime present'"):
        require_java({"PATH": str(tmp_path)})


def test_java_home_comes_before_path(tmp_path):
    java = program(tmp_path / "home" / "bin", "java", """echo 'openjdk version "21"' >&2""")
    program(tmp_path / "path", "java", """echo 'openjdk version "17"' >&2""")
    env = {"PATH": str(tmp_path / "path"), "JAVA_HOME": str(tmp_path / "home")}
    assert require_java(env) == str(java)


def test_a_java_home_without_java_is_named(tmp_path):
    with pytest.raises(
        MissingToolError, match=f"JAVA_HOME is {tmp_path}, but there is no {tmp_path}/bin/java"
    ):
        require_java({"PATH": "", "JAVA_HOME": str(tmp_path)})


def test_no_maven_says_what_to_install(tmp_path):
    with pytest.raises(MissingToolError, match=r"mvn is not on PATH.*install Maven"):
        require_maven({"PATH": str(tmp_path)})
