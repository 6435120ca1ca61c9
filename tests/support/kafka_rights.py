"""A Kafka whose users have exactly the rights that the chart's README lists for them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from stream_worker.dev_kafka import kafka_node
from stream_worker.dev_kafka.config import server_properties
from stream_worker.dev_kafka.ports import HOST, free_ports
from support.helm import CHART

Right = tuple[ResourceType, str, ResourcePatternType, AclOperation]

PASSWORD = "nobody's"  # noqa: S105 - of a broker that lives for one test
_COLUMNS = (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
_JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def listed_rights() -> dict[str, list[Right]]:
    """Rights of each row of the README's table, under the word in bold that names it."""
    text = (CHART / "README.md").read_text()
    table = text.partition("<!-- rights: checked -->")[2].partition("<!-- /rights -->")[0]
    rows = [line.strip().strip("|").split("|") for line in table.splitlines() if "**" in line]
    return {
        re.search(r"\*\*(.+?)\*\*", who)[1]: [
            right for kind, cell in zip(_COLUMNS, cells, strict=True) for right in _rights(kind, cell)
        ]
        for who, *cells in rows
    }


def _rights(kind: ResourceType, cell: str) -> Iterator[Right]:
    for names, operations in re.findall(r"((?:`[^`]+`(?:, )?)+): ([a-z, ]+)", cell):
        for name in re.findall(r"`([^`]+)`", names):
            pattern = ResourcePatternType.PREFIXED if name[-1] in ".-" else ResourcePatternType.LITERAL
            for operation in operations.split(","):
                yield kind, name, pattern, AclOperation[operation.strip().upper().replace(" ", "_")]


@dataclass(frozen=True)
class RightsKafka:
    """Where those log in who have rights, and where a test may do everything."""

    bootstrap_servers: str
    unguarded: str

    def environ(self, user: str) -> dict[str, str]:
        """Variables with which a command logs in."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "LENSNET_KAFKA__PROPERTIES__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "LENSNET_KAFKA__PROPERTIES__SASL_MECHANISM": "PLAIN",
            "LENSNET_KAFKA__PROPERTIES__SASL_USERNAME": user,
            "LENSNET_KAFKA__PROPERTIES__SASL_PASSWORD": PASSWORD,
        }

    def allow(self, user: str, rights: list[Right]) -> None:
        """Give a user these rights."""
        host, allowed = "*", AclPermissionType.ALLOW
        own = [
            AclBinding(kind, name, pattern, f"User:{user}", host, operation, allowed)
            for kind, name, pattern, operation in rights
        ]
        admin = AdminClient({"bootstrap.servers": self.unguarded})
        for done in admin.create_acls(own).values():
            done.result(30)

    def groups(self) -> list[str]:
        """Every consumer group that there is."""
        admin = AdminClient({"bootstrap.servers": self.unguarded})
        return [group.group_id for group in admin.list_consumer_groups().result(30).valid]


@contextmanager
def rights_kafka(users: list[str]) -> Iterator[RightsKafka]:
    """A node of one's own with a second listener, for users who may do nothing as yet."""
    port = free_ports(random.Random()).broker
    logins = " ".join(f'user_{user}="{PASSWORD}"' for user in users)

    def guarded_properties(ports, data):
        plain, controller = f"PLAINTEXT://{HOST}:{ports.broker}", f"CONTROLLER://{HOST}:{ports.controller}"
        guarded = {
            "listeners": f"{plain},{controller},LOGIN://{HOST}:{port}",
            "advertised.listeners": f"{plain},LOGIN://{HOST}:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.login.plain.sasl.jaas.config": f"{_JAAS} {logins};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        lines = "".join(f"{name}={value}\n" for name, value in guarded.items())
        return server_properties(ports, data) + lines  # the last of a name counts

    with patch("stream_worker.dev_kafka.node.server_properties", guarded_properties), kafka_node() as node:
        yield RightsKafka(f"{HOST}:{port}", node.bootstrap_servers)
