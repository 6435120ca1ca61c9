"""What a command says when no broker answers: where, and what to do about it."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException

from stream_worker.cli import cli
from stream_worker.cli.common import with_settings
from stream_worker.kafka.errors import ProducerFatal, TransactionAborted
from stream_worker.kafka.topics import TopicCreationError, create_topics, topic_specs
from stream_worker.settings import Settings

AT = "127.0.0.1:1"
REMEDY = "set KAFKA_BOOTSTRAP_SERVERS or --bootstrap-servers (`make kafka-up` starts one)"
TRANSPORT = KafkaError(KafkaError._TRANSPORT, "Failed to get metadata: Local: Broker transport failure")
LATE = KafkaError(KafkaError._TIMED_OUT, "Failed to get committed offsets: Local: Timed out")
OPEN = KafkaError(KafkaError._TIMED_OUT, "a transaction is still open after 2 s at x[0]@0")
TOO_FEW = KafkaError(KafkaError.INVALID_REPLICATION_FACTOR, "Unable to replicate the partition 3 time(s)")


def said(error: Exception, **environ: str) -> str:
    @click.command()
    @with_settings
    def command(_settings: Settings) -> None:
        raise error

    done = CliRunner().invoke(command, [], env={"KAFKA_BOOTSTRAP_SERVERS": AT, **environ})
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1
    return done.output.removesuffix("\n")


class Brokers:
    """An admin client of brokers that refuse topics, or that don't answer at all."""

    def __init__(self, refusal: KafkaError | None) -> None:
        self._refusal = refusal

    def list_topics(self, *_: object, **__: object) -> SimpleNamespace:
        if self._refusal is None:
            raise KafkaException(TRANSPORT)
        return SimpleNamespace(topics={})

    def create_topics(self, new: list, **_: object) -> dict[str, Future]:
        futures = {topic.topic: Future() for topic in new}
        for future in futures.values():
            future.set_exception(KafkaException(self._refusal))
        return futures


def test_where_no_broker_answers_and_the_remedy_are_said_in_one_line():
    assert said(KafkaException(TRANSPORT)) == f"Error: no broker answers at {AT}: {REMEDY}; {TRANSPORT.str()}"


@pytest.mark.parametrize("error", [KafkaException(LATE), TimeoutError()])
def test_a_broker_that_is_late_is_named_with_the_remedy(error):
    assert said(error).startswith(f"Error: the broker at {AT} did not answer in time: {REMEDY}")


def test_who_logs_in_hears_that_the_login_may_be_at_fault(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('[kafka.properties]\n"security.protocol" = "SASL_SSL"\n')
    text = said(KafkaException(TRANSPORT), LENSNET_SETTINGS_FILE=str(file))
    assert "or mend the login in [kafka.properties]; Failed" in text


def test_what_a_broker_answered_needs_no_such_remedy():
    assert said(KafkaException(OPEN)) == f"Error: _TIMED_OUT: {OPEN.str()} (broker {AT})"
    assert REMEDY not in said(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))


def test_the_error_of_a_file_that_times_out_is_not_a_brokers():
    @click.command()
    @with_settings
    def command(_settings: Settings) -> None:
        raise TimeoutError(110, "Connection timed out")

    assert isinstance(CliRunner().invoke(command, []).exception, TimeoutError)


def test_equal_reasons_of_topics_are_told_once():
    with pytest.raises(TopicCreationError) as refused:
        create_topics(Brokers(TOO_FEW), topic_specs(Settings(), 1, 1), replication_factor=3)
    assert str(refused.value).count(TOO_FEW.str()) == 1
    assert str(refused.value).startswith("lensnet.candidates, lensnet.lightcurves, ")


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [(None, f"no broker answers at {AT}: {REMEDY}"), (TOO_FEW, f"{TOO_FEW.str()} (broker {AT})")],
)
def test_topics_create_says_where_and_why_once(monkeypatch, refusal, expected):
    monkeypatch.setattr("stream_worker.kafka.clients.admin_client", lambda *_: Brokers(refusal))
    done = CliRunner().invoke(cli, ["topics", "create"], env={"KAFKA_BOOTSTRAP_SERVERS": AT})
    assert done.exit_code == 1
    assert done.output.count(expected) == 1
    assert len(done.output.splitlines()) == 1


def test_the_demo_says_how_to_do_without_that_broker(monkeypatch):
    def run_demo(**_: object) -> None:
        raise KafkaException(TRANSPORT)

    monkeypatch.setattr("stream_worker.demo.run.run_demo", run_demo)
    done = CliRunner().invoke(cli, ["demo"], env={"KAFKA_BOOTSTRAP_SERVERS": AT})
    assert done.exit_code == 1
    assert f"no broker answers at {AT}: without KAFKA_BOOTSTRAP_SERVERS the demo starts one" in done.output


def test_a_refused_transaction_is_one_line_too():
    text = "init_transactions: Broker: Transactional Id authorization failed"
    assert said(ProducerFatal(text)) == f"Error: {text}"
    assert said(TransactionAborted("out of time")) == "Error: out of time"
