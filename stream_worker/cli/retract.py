"""``stream-worker retract``."""

from __future__ import annotations

import json
import uuid

import click

from stream_worker.cli.common import broker_errors, examples, fail, with_settings
from stream_worker.settings import Settings

MAX_REASON = 500


@click.command(
    epilog=examples(
        'stream-worker retract 7c1f0d3a-94b8-5f0e-8a5a-1f6a3c2e9b10 --reason "bleed trail"',
        "stream-worker tail --since 2026-05-10T00:00 --live --idle-exit 5 --json | jq .group_id",
    )
)
@with_settings
@click.argument("group")
@click.option("--reason", required=True, help="Why, for those who got the alert.")
@click.option("--wait", default=30.0, show_default=True, help="Seconds to wait for the retraction.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def retract(settings: Settings, *, group: str, reason: str, wait: float, as_json: bool) -> None:
    """Retract the live alert of GROUP (a group_id); its star is not published again while remembered.

    A running deduplicate worker carries it out. Exit code 1 if the group isn't live, or if the
    retraction was ordered but not seen within the wait.
    """
    from stream_worker.kafka.candidate_sink import DeliveryError
    from stream_worker.retraction import RetractionRefused
    from stream_worker.retraction import retract as order

    try:
        group = str(uuid.UUID(group))
    except ValueError:
        raise click.BadParameter(f"{group!r} is no group_id (a UUID)", param_hint="GROUP") from None
    if not 0 < len(reason.strip()) <= MAX_REASON:
        raise click.BadParameter(f"expected 1 to {MAX_REASON} characters", param_hint="--reason")
    with broker_errors(settings):
        try:
            done = order(settings, group, reason.strip(), wait_s=wait)
        except (RetractionRefused, DeliveryError) as error:
            fail(str(error))
    if as_json:
        summary = {"group_id": done.group_id, "star_id": done.star_id, "confirmed": done.confirmed}
        click.echo(json.dumps(summary))
    elif done.confirmed:
        click.echo(f"retracted {done.group_id} ({done.star_id})")
    if not done.confirmed:
        fail(f"ordered, but not retracted within {wait:g} s: is a deduplicate worker running?")
