from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException
from pydantic import ValidationError

from stream_worker.bundle import BundleError
from stream_worker.cli import cli
from stream_worker.cli.common import with_settings
from stream_worker.codec import RegistryUnavailable
from stream_worker.codec.registry import RegistrationRefusedError
from stream_worker.kafka.clients import CANDIDATE_MAX_BYTES
from stream_worker.rule_settings import RuleSettings
from stream_worker.scoring import ProviderUnavailable, ScorerBroken
from stream_worker.settings import Settings, SettingsError, load_settings, without_credentials


def test_defaults_need_nothing():
    settings = load_settings({})
    assert settings.topics.candidates == "lensnet.candidates"
    assert settings.rules.publish_at == 0.45
    assert settings.kafka.transaction_timeout_ms == 10_000


def test_environment_wins_over_file_and_overrides_win_over_both(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text(
        '[kafka]\nbootstrap_servers = "file:1"\n[loop]\nmax_records = 7\n[score]\ngroup_id = "f"\n'
    )
    environ = {"LENSNET_SETTINGS_FILE": str(file), "LENSNET_KAFKA__BOOTSTRAP_SERVERS": "env:2"}
    settings = load_settings(environ, overrides={"score": {"group_id": "override"}})
    assert settings.kafka.bootstrap_servers == "env:2"
    assert settings.loop.max_records == 7
    assert settings.score.group_id == "override"


def test_plain_bootstrap_variable_is_understood():
    assert load_settings({"KAFKA_BOOTSTRAP_SERVERS": "b:9"}).kafka.bootstrap_servers == "b:9"


def test_every_fault_is_listed_at_once(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text('typo = 1\n[loop]\nmax_records = 0\n[rules]\npublish_threshold = "best"\n')
    environ = {
        "LENSNET_HTTP__PORT": "70000",
        "LENSNET_INFERENCE__PROVIDER": "tpu",
        "LENSNET_KAFKAA__X": "1",
        "LENSNET_KAFKA__PROPERTIES__GROUP_ID": "mine",
    }
    with pytest.raises(SettingsError) as error:
        load_settings(environ, file=file)
    text = str(error.value)
    for expected in (
        "typo",
        "loop.max_records",
        "publish_threshold 'best' is not one of: balanced, pure",
        "http.port",
        "got '70000'",
        "inference.provider",
        "LENSNET_KAFKAA__X: no such setting 'kafkaa'",
        "the worker itself sets group.id",
    ):
        assert expected in text, f"{expected!r} not in:\n{text}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [("[kafka", "settings file"), (None, "No such file"), ("topics = 3", "topics")],
)
def test_a_bad_file_is_named(tmp_path, content, expected):
    file = tmp_path / "worker.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=expected):
        load_settings({}, file=file)


def test_librdkafka_properties_pass_through_from_file_and_environment(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("from-a-file\n")
    file = tmp_path / "worker.toml"
    file.write_text(
        '[kafka.properties]\n"security.protocol" = "SASL_SSL"\n"socket.keepalive.enable" = true\n'
        '[kafka.producer_properties]\n"linger.ms" = 20\n'
        f'[kafka.secret_files]\n"sasl.password" = "{secret}"\n'
    )
    environ = {"LENSNET_KAFKA__PROPERTIES__SASL_USERNAME": "worker"}
    kafka = load_settings(environ, file=file).kafka
    assert kafka.client_properties(kafka.producer_properties) == {
        "security.protocol": "SASL_SSL",
        "socket.keepalive.enable": "true",
        "sasl.username": "worker",
        "linger.ms": "20",
        "sasl.password": "from-a-file",
    }


def test_secrets_are_never_shown():
    environ = {
        "LENSNET_KAFKA__PROPERTIES__SASL_PASSWORD": "hunter2",
        "LENSNET_KAFKA__PROPERTIES__SASL_USERNAME": "worker",
        "LENSNET_REGISTRY__USERNAME": "worker",
        "LENSNET_REGISTRY__PASSWORD": "hunter3",
    }
    settings = load_settings(environ)
    described = str(settings.describe())
    assert "hunter" not in repr(settings) + str(settings) + described + settings.model_dump_json()
    assert "worker" in described


def test_a_fault_in_a_secret_does_not_show_it():
    with pytest.raises(SettingsError) as error:
        load_settings({"LENSNET_REGISTRY__PASSWORD__X": "hunter2"})
    assert "hunter2" not in str(error.value)


def test_missing_secret_file_is_a_fault(tmp_path):
    environ = {"LENSNET_KAFKA__SECRET_FILES__SASL_PASSWORD": str(tmp_path / "absent")}
    with pytest.raises(SettingsError, match=r"sasl\.password.*absent"):
        load_settings(environ)


@pytest.mark.parametrize("name", ["PASSWORD", "PASSWORD_FILE"])
@pytest.mark.parametrize("user", [{}, {"LENSNET_REGISTRY__USERNAME": ""}])
def test_a_password_of_nobody_is_a_fault(name, user, tmp_path):
    secret = tmp_path / "hunter2"
    secret.write_text("hunter2")
    with pytest.raises(SettingsError, match=r"registry: .*set registry\.username") as raised:
        load_settings({f"LENSNET_REGISTRY__{name}": str(secret), **user})
    assert "hunter" not in str(raised.value)


def test_no_packet_is_taken_that_the_topic_of_light_curves_would_refuse():
    assert load_settings({"LENSNET_MAX_PACKET_BYTES": str(CANDIDATE_MAX_BYTES)})
    with pytest.raises(SettingsError, match="max_packet_bytes"):
        load_settings({"LENSNET_MAX_PACKET_BYTES": str(CANDIDATE_MAX_BYTES + 1)})


def test_topics_must_differ():
    with pytest.raises(SettingsError, match=r"named twice: lensnet\.scores"):
        load_settings({"LENSNET_TOPICS__SCORED": "lensnet.scores"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kafka": {"bootstap_servers": "x"}}, "bootstap_servers: no such setting, did you mean bootstrap_"),
        ({"rules": {"neighbor_radius": 1}}, "no such setting, did you mean neighbour_radius_arcsec?"),
        ({"http": {"colour": 1}}, "http.colour: no such setting, expected one of host, port"),
        ({"nonsense": {"a": 1}}, "nonsense: no such setting, expected one of kafka, registry, "),
    ],
)  # fmt: skip
def test_an_unknown_setting_is_told_with_those_there_are(values, message):
    with pytest.raises(SettingsError) as caught:
        load_settings({}, overrides=values)
    (fault,) = caught.value.faults
    assert message in fault


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            {"event_thresholds": {"likely": 1.5}},
            r"event_thresholds must be within 0 and 1, got {'likely': 1.5}",
        ),
        ({"event_thresholds": {"pure": 0.5}}, "named in both thresholds and event_thresholds: pure"),
    ],
)
def test_thresholds_of_p_event_must_make_sense(rules, message):
    with pytest.raises(ValidationError, match=message):
        RuleSettings(**rules)
    assert RuleSettings(event_thresholds={}).grouping.event_thresholds == {}


def test_hash_changes_with_the_rules_only():
    assert RuleSettings().hash == RuleSettings().hash
    assert RuleSettings().hash != RuleSettings(stale_after_days=3).hash
    assert len(RuleSettings().hash) == 16


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "ssl.key.pem",
        "ssl.key.password",
        "ssl.keystore.password",
        "sasl.jaas.config",
        "ssl_key",
    ],
)
def test_properties_that_hold_secrets_are_masked(name):
    settings = Settings(kafka={"properties": {name: "hunter2"}})
    assert "hunter2" not in str(settings.describe())


@pytest.mark.parametrize("name", ["ssl.key.location", "ssl.keystore.location", "linger.ms", "sasl.mechanism"])
def test_properties_that_hold_no_secrets_are_shown(name):
    assert "/a/path" in str(Settings(kafka={"properties": {name: "/a/path"}}).describe())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:hunter2@registry:8081/api", "http://registry:8081/api"),
        ("http://user:hun/ter2@registry", "http://registry"),
        ("user:hunter2@registry", "registry"),
        ("https://registry:8081", "https://registry:8081"),
    ],
)
def test_the_registrys_address_is_shown_without_credentials(url, shown):
    assert without_credentials(url) == shown


ADDRESSES = [("registry", "url"), ("tracing", "endpoint")]


@pytest.mark.parametrize(("section", "name"), ADDRESSES)
def test_credentials_in_an_address_are_not_described(section, name):
    settings = Settings.model_validate({section: {name: "http://user:hunter2@host:8081/api"}})
    described = settings.describe()
    assert described[section][name] == "http://host:8081/api"
    assert "hunter2" not in str(described)


def test_credentials_in_the_address_of_a_property_are_not_described():
    properties = {
        "https.proxy": "http://user:hunter2@proxy:3128",
        "sasl.kerberos.principal": "worker@REALM",
    }
    shown = str(Settings(kafka={"properties": properties}).describe())
    assert "hunter2" not in shown
    assert "http://proxy:3128" in shown
    assert "worker@REALM" in shown


@pytest.mark.parametrize(("section", "name"), ADDRESSES)
@pytest.mark.parametrize(
    "url", ["host:8081", "http://", "http://u:hun/ter2@host", "http://[host", "u:ter2@host"]
)
def test_an_address_without_sense_is_a_fault_that_does_not_show_it(section, name, url):
    with pytest.raises(SettingsError, match=rf"{section}\.{name}") as error:
        load_settings({f"LENSNET_{section}__{name}".upper(): url})
    assert "ter2" not in str(error.value)


@pytest.mark.parametrize(("section", "name"), ADDRESSES)
@pytest.mark.parametrize("value", ['["http://u:hunter2@host"]', '{ url = "http://u:hunter2@host" }'])
def test_an_address_of_the_wrong_kind_is_not_shown(tmp_path, section, name, value):
    file = tmp_path / "worker.toml"
    file.write_text(f"[{section}]\n{name} = {value}\n")
    with pytest.raises(SettingsError, match=rf"{section}\.{name}") as error:
        load_settings({}, file=file)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["LENSNET_KAFKA__SSL_KEY_PEM", "LENSNET_KAFKA__SASL_X", "LENSNET_REGISTRY", "LENSNET_LOOP__X"]
)
def test_the_value_of_a_misplaced_setting_is_not_shown(name):
    with pytest.raises(SettingsError) as error:
        load_settings({name: "hunter2"})
    assert name.removeprefix("LENSNET_").lower().replace("__", ".") in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["LENSNET_KAFKA", "LENSNET_HTTP__PORT"])
def test_a_value_and_a_section_of_one_name_are_a_fault(name):
    deeper = f"{name}__BOOTSTRAP_SERVERS"
    with pytest.raises(SettingsError, match=deeper):
        load_settings({name: "1", deeper: "broker:9092"})


def test_names_in_a_file_are_left_as_written_and_underscored_ones_pass_from_the_environment(tmp_path):
    file = tmp_path / "worker.toml"
    file.write_text('[kafka.properties]\n"log_level" = 3\n"Some_Name" = "x"\n')
    environ = {
        "LENSNET_KAFKA__PRODUCER_PROPERTIES__LOG_LEVEL": "4",
        "LENSNET_KAFKA__PRODUCER_PROPERTIES__LINGER_MS": "9",
    }
    kafka = load_settings(environ, file=file).kafka
    assert set(kafka.properties) == {"log_level", "Some_Name"}
    assert set(kafka.producer_properties) == {"log_level", "linger.ms"}


@pytest.mark.parametrize("variable", ["LENSNET_REGISTRY__PASSWORD_FILE", "LENSNET_KAFKA__SECRET_FILES__X"])
def test_a_secret_file_that_is_not_text_is_a_fault(tmp_path, variable):
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(SettingsError, match="not text"):
        load_settings({variable: str(file)})


UNREACHABLE = {"LENSNET_REGISTRY__URL": "http://user:hunter2@127.0.0.1:1"}
NONSENSE_URL = {"LENSNET_REGISTRY__URL": "user:hunter2@registry"}
UNKNOWN_PROPERTY = {"LENSNET_KAFKA__PROPERTIES__NON_SENSE": "hunter2"}


@pytest.mark.parametrize(
    ("command", "environ", "expected"),
    [
        (["balance"], UNKNOWN_PROPERTY, "kafka.properties.non.sense"),
        (["balance"], NONSENSE_URL, "registry.url: 'registry'"),
        (["tail"], UNKNOWN_PROPERTY, "kafka.properties.non.sense"),
        (["tail"], NONSENSE_URL, "registry.url: 'registry'"),
        (["quarantine", "list"], UNKNOWN_PROPERTY, "kafka.properties.non.sense"),
        (["ingest", "archive", __file__], UNREACHABLE, "registry http://127.0.0.1:1: "),
        (["tail"], {"LENSNET_LOOP__MAX_RECORDS": "0"}, "loop.max_records"),
    ],
    ids=lambda value: " ".join(value)[:20] if isinstance(value, list) else None,
)
def test_a_command_tells_what_is_wrong_with_the_settings_and_exits_with_2(command, environ, expected):
    _refused(command, {**environ, "LENSNET_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}, expected)


def test_ingest_to_a_file_tells_that_the_registry_is_out_of_reach(tmp_path):
    out = tmp_path / "out.avro"
    command = ["ingest", "pysis", __file__, "--star-id", "X", "--ra", "1", "--dec", "2", "--out", str(out)]
    _refused(command, UNREACHABLE, "registry http://127.0.0.1:1: ")
    assert not out.exists()


def _refused(command: list[str], environ: dict[str, str], expected: str) -> None:
    done = CliRunner().invoke(cli, command, env=environ)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2, done.output
    assert expected in done.output
    assert "hunter2" not in done.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BundleError(Path("/absent"), ["manifest.json is missing"]), 2),
        (ProviderUnavailable("CUDA did not start"), 2),
        (ScorerBroken("misses the golden vectors"), 1),
        (RegistryUnavailable("GET schemas/ids/1: ConnectError"), 1),
        (RegistrationRefusedError("refuses subject x"), 1),
        (KafkaException(KafkaError(KafkaError._TRANSPORT, "broker down")), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_a_run_become_a_message(error, code):
    @click.command()
    @with_settings
    def command(_settings: Settings) -> None:
        raise error

    done = CliRunner().invoke(command, [])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code
    assert done.output.startswith("Error: ")


def test_a_programming_error_keeps_its_traceback():
    @click.command()
    @with_settings
    def command(_settings: Settings) -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(command, []).exception, ZeroDivisionError)
