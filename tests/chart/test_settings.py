"""The chart's settings are the worker's: generated from one class, and read by it as they were meant."""

from __future__ import annotations

import importlib.util
import json
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from support.chart_values import BASE, CASES, GPU, PVC, REGISTRY, SASL, SHA, TLS, merged
from support.helm import CHART, ROOT

from stream_worker.settings import Settings

spec = importlib.util.spec_from_file_location("chart_generate", CHART / "generate.py")
generate = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = generate
spec.loader.exec_module(generate)


def paths(model, prefix="") -> set[str]:
    """Every setting of the worker by its dotted path."""
    found = set()
    for name, field in model.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        found |= paths(field.annotation, f"{prefix}{name}.") if inner else {f"{prefix}{name}"}
    return found


def leaves(values, model, prefix="") -> dict[str, object]:
    found = {}
    for name, value in values.items():
        inner = getattr(model.model_fields[name].annotation, "model_fields", None)
        if inner:
            found |= leaves(value, model.model_fields[name].annotation, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def test_generated_files_are_what_the_settings_class_and_the_comments_say():
    stale = [path.name for path, text in generate.generated().items() if path.read_text() != text]
    assert not stale, f"{stale}: run `make chart`"


def test_every_setting_is_a_value_with_the_same_default_or_decided_by_the_chart():
    chart = leaves(yaml.safe_load((CHART / "values.yaml").read_text())["settings"], Settings)
    owned = set(generate.CHART_OWNED)
    assert set(chart) | owned == paths(Settings)
    assert not set(chart) & owned
    worker = leaves(Settings().model_dump(mode="json"), Settings)
    differing = {path for path, value in chart.items() if value != worker[path]}
    assert differing == {"kafka.bootstrap_servers"}


def test_the_schema_knows_exactly_the_settings():
    schema = json.loads((CHART / "values.schema.json").read_text())
    definitions = schema["definitions"]

    def known(node, prefix="") -> set[str]:
        found = set()
        assert node["additionalProperties"] is False
        for name, inner in node["properties"].items():
            if "$ref" in inner:
                found |= known(definitions[inner["$ref"].rsplit("/", 1)[1]], f"{prefix}{name}.")
            else:
                found.add(f"{prefix}{name}")
        return found

    assert known(definitions["Settings"]) | set(generate.CHART_OWNED) == paths(Settings)


def test_a_setting_that_the_worker_gained_would_be_noticed(monkeypatch):
    from pydantic import create_model

    more = create_model("Settings", __base__=Settings, wing_span_m=(float, 1.6))
    monkeypatch.setattr(generate, "Settings", more)
    stale = [path.name for path, text in generate.generated().items() if path.read_text() != text]
    assert set(stale) == {"values.yaml", "values.schema.json", "README.md"}


def rendered(helm, values, command: str) -> dict:
    config = helm.one(values, "ConfigMap", "-settings")
    return tomllib.loads(config["data"][f"{command}.toml"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("command", ["score", "deduplicate", "tools"])
def test_the_worker_takes_every_rendered_settings_file(helm, case, command, tmp_path):
    values = rendered(helm, CASES[case], command)
    for section, name in (("kafka", "secret_files"), ("registry", "password_file")):
        secrets = values.get(section, {}).pop(name, {})
        paths = secrets.values() if isinstance(secrets, dict) else [secrets]
        assert all(Path(path).is_relative_to("/run/secrets") for path in paths)
    settings = Settings.model_validate(values)
    assert settings.kafka.bootstrap_servers == "kafka:9092"


def test_an_untouched_chart_gives_the_workers_own_defaults(helm):
    settings = Settings.model_validate(rendered(helm, BASE, "score"))
    expected = Settings(kafka={"bootstrap_servers": "kafka:9092"})
    assert settings == expected
    assert settings.rules.hash == expected.rules.hash


def test_values_arrive_as_they_were_written(helm):
    odd = {
        "settings": {
            "kafka": {"properties": {"sasl.kerberos.service.name": 'a "quoted" <name> \\ ünd'}},
            "rules": {"thresholds": {"balanced": 0.5, "very pure": 0.99}, "publish_threshold": "very pure"},
            "loop": {"max_bytes": 123456789, "backoff_max_s": 7},
            "log": {"level": "debug"},
        },
        "scorer": {"settings": {"loop": {"max_records": 1000}, "log": {"level": "warning"}}},
    }
    score = Settings.model_validate(rendered(helm, merged(BASE, odd), "score"))
    group = Settings.model_validate(rendered(helm, merged(BASE, odd), "deduplicate"))
    clear = score.kafka.client_properties()
    assert clear == {"sasl.kerberos.service.name": 'a "quoted" <name> \\ ünd'}
    assert score.rules == group.rules
    assert score.rules.thresholds == {"balanced": 0.5, "very pure": 0.99, "pure": 0.955}
    assert (score.loop.max_bytes, score.loop.max_records, score.loop.backoff_max_s) == (123456789, 1000, 7.0)
    assert (group.loop.max_records, score.log.level, group.log.level) == (256, "warning", "debug")


def test_credentials_come_from_files_of_existing_secrets(helm):
    values = rendered(helm, merged(BASE, SASL, TLS, REGISTRY), "tools")
    assert values["kafka"]["properties"] == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "lensnet",
        "ssl.ca.location": "/run/secrets/kafka-tls/ca.crt",
    }
    assert values["kafka"]["secret_files"] == {"sasl.password": "/run/secrets/kafka-sasl/password"}
    files = values["registry"]
    assert files["password_file"].startswith("/run/secrets/registry/")


def test_the_model_and_the_provider_follow_the_values(helm):
    score = rendered(helm, merged(BASE, PVC, GPU), "score")
    assert (score["bundle"], score["bundle_sha256"]) == ("/models/lensnet-1", SHA)
    assert score["inference"]["provider"] == "cuda"
    assert "bundle" not in rendered(helm, BASE, "score")


def test_a_bundle_that_is_not_the_pinned_one_is_refused():
    from stream_worker.plans import score_plan
    from stream_worker.worker import StartupFaults

    plan = score_plan(Settings(bundle_sha256=SHA))
    with pytest.raises(StartupFaults, match=f"bundle_sha256 asks for {SHA}"):
        plan.build(None, None)


def test_the_chart_and_the_package_have_one_version():
    import tomllib as toml

    project = toml.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project["version"]
