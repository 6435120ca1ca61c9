from __future__ import annotations

import random
import re
import socket
from pathlib import Path

from stream_worker.dev_kafka.config import SETTINGS, bootstrap_servers, server_properties
from stream_worker.dev_kafka.jars import POM
from stream_worker.dev_kafka.ports import HOST, Ports, free_ports

COMPOSE = Path(__file__).parents[4] / "compose.yaml"


def rendered(data: Path) -> dict[str, str]:
    text = server_properties(Ports(broker=21001, controller=21002), data)
    return dict(line.split("=", maxsplit=1) for line in text.splitlines())


def test_the_node_listens_on_this_machine_only_and_keeps_its_data_where_told():
    properties = rendered(Path("/tmp/a folder/data"))  # noqa: S108 nothing is written there
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:21001,CONTROLLER://127.0.0.1:21002"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21001"
    assert properties["controller.quorum.bootstrap.servers"] == "127.0.0.1:21002"
    assert properties["log.dirs"] == "/tmp/a folder/data"  # noqa: S108
    assert bootstrap_servers(Ports(broker=21001, controller=21002)) == "127.0.0.1:21001"


def test_a_backslash_in_a_path_is_escaped_as_properties_files_want_it():
    assert rendered(Path("/data/odd\\name"))["log.dirs"] == r"/data/odd\\name"


def test_one_node_is_enough_for_every_internal_topic():
    properties = rendered(Path("/data"))
    factors = {name: value for name, value in properties.items() if name.endswith("replication.factor")}
    assert set(factors.values()) == {"1"}
    assert {"offsets.topic.replication.factor", "transaction.state.log.replication.factor"} <= set(factors)
    assert {value for name, value in properties.items() if name.endswith("min.isr")} == {"1"}
    assert properties["auto.create.topics.enable"] == "false"


def test_no_broker_wide_limit_hides_a_topic_that_lacks_its_own():
    assert not [name for name in SETTINGS if name.startswith(("message.max", "replica.fetch"))]
    assert "MESSAGE_MAX" not in COMPOSE.read_text()
    assert int(SETTINGS["socket.request.max.bytes"]) > 16 * 1024 * 1024


def test_compose_has_the_same_settings_and_the_same_kafka():
    text = COMPOSE.read_text()
    composed = {
        name.lower().replace("_", "."): value
        for name, value in re.findall(r'^ +KAFKA_([A-Z_]+): "(.*)"$', text, flags=re.MULTILINE)
    }
    assert {name: composed.get(name) for name in SETTINGS} == dict(SETTINGS)
    version = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)<", POM.read_text())
    assert version is not None
    assert f"image: apache/kafka:{version[1]}\n" in text


def test_ports_are_two_and_below_those_of_outgoing_connections():
    ports = free_ports(random.Random(1))
    assert ports.broker != ports.controller
    assert min(ports.broker, ports.controller) >= 20_000
    assert max(ports.broker, ports.controller) < 32_768


def test_a_port_in_use_is_not_offered():
    first = free_ports(random.Random(2))
    with socket.socket() as listener:
        listener.bind((HOST, first.broker))
        second = free_ports(random.Random(2))
    assert second.broker == first.controller  # the next of the same sequence
