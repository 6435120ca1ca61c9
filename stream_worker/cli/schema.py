"""``stream-worker schema``."""

from __future__ import annotations

import json

import click

import schemas
from stream_worker.cli.common import examples

_NAMES = ("candidate", "score", "alert", "quarantine", "outcome", "neighbour", "retract", "archived")


@click.command(epilog=examples("stream-worker schema alert 1", "stream-worker schema candidate 1 > c.avsc"))
@click.argument("name", type=click.Choice(_NAMES))
@click.argument("version", type=int)
def schema(name: str, version: int) -> None:
    """Print the Avro schema NAME in VERSION; its fingerprint goes to standard error."""
    known = schemas.versions(name)
    if version not in known:
        raise click.BadParameter(
            f"{name} has no version {version}, there is {', '.join(map(str, known))}", param_hint="VERSION"
        )
    loaded = schemas.load(name, version)
    click.echo(json.dumps(loaded.definition, indent=2))
    click.echo(f"CRC-64-AVRO fingerprint {loaded.fingerprint:016x}", err=True)
