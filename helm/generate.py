"""Writes what the chart says of the worker: settings, values.schema.json, tables of the other pages.

The worker's settings and metrics classes and the comments of values.yaml are the only sources::

    python helm/generate.py           # write
    python helm/generate.py --check   # exit 1, and say which file, if anything would change

Templates that change get no restart of this: only values and settings do.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from stream_worker.cli.sizing import SURVEYS, shown_value
from stream_worker.settings import Settings
from stream_worker.sizing import Load, Measured, Size, size
from stream_worker.telemetry.metrics import Metrics

CHART = Path(__file__).parent
BEGIN, END = "# BEGIN settings\n", "# END settings\n"
METRICS_BEGIN, METRICS_END = "<!-- metrics: generated -->\n", "<!-- /metrics -->\n"
SIZING_BEGIN, SIZING_END = "<!-- sizing: generated -->\n", "<!-- /sizing -->\n"
TABLE_BEGIN, TABLE_END = "<!-- values: generated -->\n", "<!-- /values -->\n"

CHART_OWNED = {
    "bundle": "model.source and model.path decide it",
    "bundle_sha256": "model.sha256",
    "http.host": "probes and scrapes come from outside the pod",
    "inference.provider": "scorer.gpu.enabled decides it",
    "kafka.secret_files": "kafka.sasl decides it",
    "registry.password": "a secret has no place in values; registry.existingSecret",
    "registry.password_file": "registry.existingSecret decides it",
}
"""Settings of the worker that are no values of the chart, and what stands for them."""

OVERLAYS = {"scorer": ("kafka", "loop", "log", "inference"), "deduplicator": ("kafka", "loop", "log")}
"""Sections that may differ per stage; rules and topics must be the same for both."""

_QUANTITY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"}
_DIGEST = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
_NAME = {"type": "string", "pattern": "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"}
_KEY = {"type": "string", "pattern": "^[-._a-zA-Z0-9]*$"}
_PULL = {"enum": ["Always", "IfNotPresent", "Never"]}
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_OBJECTS = {"type": "array", "items": {"type": "object"}}
_COUNT = {"type": "integer", "minimum": 1}
_RESOURCE_LIST = {
    "type": "object",
    "additionalProperties": {"anyOf": [_QUANTITY, {"type": "number", "minimum": 0}]},
}
_ACCOUNT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"create": {"type": "boolean"}, "name": _NAME, "annotations": _STRINGS},
    "required": ["create", "name", "annotations"],
}

# by the end of the path, the longest match winning; all else follows from the type of the default
CONSTRAINTS: Mapping[str, Mapping[str, Any]] = {
    "image.repository": {"type": "string", "minLength": 1},
    "image.digest": _DIGEST,
    "image.gpuDigest": _DIGEST,
    "pullPolicy": _PULL,
    "pullSecrets": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "commonLabels": _STRINGS,
    "commonAnnotations": _STRINGS,
    "podLabels": _STRINGS,
    "podAnnotations": _STRINGS,
    "labels": _STRINGS,
    "annotations": _STRINGS,
    "nodeSelector": _STRINGS,
    "tolerations": _OBJECTS,
    "affinity": {"type": "object"},
    "extraEnv": _OBJECTS,
    "extraEnvFrom": _OBJECTS,
    "extraVolumes": _OBJECTS,
    "extraVolumeMounts": _OBJECTS,
    "extraArgs": {"type": "array", "items": {"type": "string"}},
    "command": {"type": "array", "items": {"type": "string"}},
    "args": {"type": "array", "items": {"type": "string"}},
    "strategy": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "type": {"enum": ["RollingUpdate", "Recreate"]},
            "rollingUpdate": {
                "type": ["object", "null"],
                "additionalProperties": False,
                "properties": {
                    "maxSurge": {"type": ["integer", "string"]},
                    "maxUnavailable": {"type": ["integer", "string"]},
                },
            },
        },
    },
    # no pod without a limit: one that grows must hit its own, not the node's
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "requests": {**_RESOURCE_LIST, "required": ["cpu", "memory"]},
            "limits": {**_RESOURCE_LIST, "required": ["memory"]},
            "claims": _OBJECTS,
        },
        "required": ["requests", "limits"],
    },
    "sizeLimit": _QUANTITY,
    "tmpSizeLimit": _QUANTITY,
    "existingSecret": _NAME,
    "claimName": _NAME,
    "existingClaim": _NAME,
    "authenticationRef": _NAME,
    "usernameKey": _KEY,
    "passwordKey": {**_KEY, "minLength": 1},
    "caKey": _KEY,
    "certificateKey": _KEY,
    "privateKeyKey": _KEY,
    "sasl.mechanism": {"enum": ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]},
    "model.source": {"enum": ["image", "imageVolume", "pvc", "initContainer"]},
    "model.sha256": {"type": "string", "pattern": "^([0-9a-f]{64})?$"},
    "replicas": {"type": "integer", "minimum": 0},
    "fallback.replicas": _COUNT,
    "minReplicas": _COUNT,
    "maxReplicas": _COUNT,
    "gpu.count": _COUNT,
    "gpu.resource": {"type": "string", "pattern": "^[a-z0-9.-]+/[-._a-zA-Z0-9]+$"},
    "maxUnavailable": {"type": ["integer", "string"], "pattern": "^[0-9]+%$", "minimum": 0},
    "whenUnsatisfiable": {"enum": ["ScheduleAnyway", "DoNotSchedule"]},
    "topologyKeys": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    "topics.partitions": _COUNT,
    "topics.replicationFactor": _COUNT,
    "topics.minInsyncReplicas": _COUNT,
    "topics.retentionDays": _COUNT,
    "targetCPUUtilizationPercentage": {"type": "integer", "minimum": 1, "maximum": 100},
    "kafkaPorts": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 65535},
        "minItems": 1,
    },
    "registryPorts": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
    "metricsFrom": _OBJECTS,
    "kafkaTo": _OBJECTS,
    "registryTo": _OBJECTS,
    "dnsTo": _OBJECTS,
    "extraEgress": _OBJECTS,
    "interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
    "scrapeTimeout": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
    "quarantineRatio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "scoreDrift": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "abortRatio": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "runbookUrl": {"type": "string", "pattern": "^(https?://.+)?$"},
    "replay.id": {"type": "string", "pattern": "^([a-z0-9][-a-z0-9]{0,39})?$"},
    "replay.speed": {"type": ["string", "number"]},
    "replay.archive.paths": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    **{
        f"serviceAccounts.{name}": _ACCOUNT
        for name in ("scorer", "deduplicator", "topics", "balance", "replay", "test")
    },
}


def settings_defaults() -> dict[str, Any]:
    """The worker's defaults, less what the chart decides; the brokers are nobody's default."""
    defaults = Settings().model_dump(mode="json")
    for path in CHART_OWNED:
        *parents, name = path.split(".")
        section = defaults
        for parent in parents:
            section = section[parent]
        del section[name]
    defaults["kafka"]["bootstrap_servers"] = ""
    return defaults


def settings_block() -> str:
    """The ``settings`` part of values.yaml, with the descriptions of the settings class."""
    lines = ["settings:\n"]
    lines += _block(settings_defaults(), Settings, "  ")
    return "".join(lines)


def _block(values: Mapping[str, Any], model: Any, indent: str) -> Iterator[str]:
    for name, value in values.items():
        field = model.model_fields[name]
        section = getattr(field.annotation, "model_fields", None)
        if section is not None:
            yield f"{indent}# {field.annotation.__doc__.splitlines()[0]}\n{indent}{name}:\n"
            yield from _block(value, field.annotation, indent + "  ")
            continue
        if field.description:
            yield f"{indent}# -- {_sentence(field.description)}\n"
        elif name == "bootstrap_servers":
            yield f"{indent}# -- Your brokers, host:port, comma-separated. Needed.\n"
        if isinstance(value, dict) and value:
            body = yaml.safe_dump(value, sort_keys=False)
            yield f"{indent}{name}:\n" + "".join(f"{indent}  {line}\n" for line in body.splitlines())
        else:
            yield f"{indent}{name}: {json.dumps(value)}\n"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def schema(values: Mapping[str, Any], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """values.schema.json: draft-07, every object closed except Kubernetes' own types."""
    sections = _settings_definitions()
    body = _closed(
        {name: _schema_of(value, name, descriptions) for name, value in values.items() if name != "settings"}
    )
    body["properties"]["settings"] = {"$ref": "#/definitions/Settings"}
    # Helm passes `global` to every chart
    body["properties"]["global"] = {"type": "object"}
    for stage, names in OVERLAYS.items():
        overlay = {name: sections["Settings"]["properties"][name] for name in names}
        body["properties"][stage]["properties"]["settings"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": overlay,
            "description": descriptions[f"{stage}.settings"],
        }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the lensnet-stream chart",
        "$comment": "written by helm/generate.py",
        **body,
        "definitions": sections,
    }


def _schema_of(value: Any, path: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
    described = {"description": descriptions[path]} if path in descriptions else {}
    endings = (".".join(path.split(".")[start:]) for start in range(path.count(".") + 1))
    constraint = next((CONSTRAINTS[ending] for ending in endings if ending in CONSTRAINTS), None)
    if constraint is not None:
        return {**constraint, **described}
    if isinstance(value, dict):
        return _closed(
            {name: _schema_of(inner, f"{path}.{name}", descriptions) for name, inner in value.items()}
        )
    if isinstance(value, bool):
        return {"type": "boolean", **described}
    if isinstance(value, int):
        return {"type": "integer", "minimum": 0, **described}
    if isinstance(value, str):
        return {"type": "string", **described}
    raise SystemExit(f"values.yaml: {path} needs an entry in CONSTRAINTS of {__file__}")


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _settings_definitions() -> dict[str, Any]:
    found = Settings.model_json_schema()
    definitions = found.pop("$defs")
    definitions["Settings"] = found
    for path in CHART_OWNED:
        *parents, name = path.split(".")
        section = definitions["Settings"]
        for parent in parents:
            reference = section["properties"][parent]
            section = definitions[reference["$ref"].rsplit("/", 1)[1]]
        del section["properties"][name]
    definitions["KafkaSettings"]["properties"]["bootstrap_servers"] = {
        "type": "string",
        "description": "Your brokers, host:port, comma-separated. Needed.",
    }
    definitions["HttpSettings"]["properties"]["port"]["minimum"] = 1  # probes need a port that is known
    return {name: _draft7(definition) for name, definition in definitions.items()}


def _draft7(node: Any) -> Any:
    """Pydantic's schema without its titles and defaults, and with draft-07's references."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "password":
        return {"type": ["string", "boolean", "integer"]}  # as the worker takes them
    kept = {}
    for key, value in node.items():
        if key == "$ref":
            kept[key] = value.replace("#/$defs/", "#/definitions/")
        elif key == "properties":
            kept[key] = {name: _draft7(inner) for name, inner in value.items()}
        elif key not in {"title", "default", "writeOnly", "format"}:
            kept[key] = _draft7(value)
    return kept


_ENTRY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z_][\w]*):")


def described_paths(text: str) -> dict[str, str]:
    """Path and description of every value with a ``# --`` line above it."""
    found: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    pending = None
    for line in text.splitlines():
        comment = re.match(r"^ *# -- (.*)$", line)
        entry = _ENTRY.match(line)
        if comment:
            pending = comment[1]
        elif entry:
            indent = len(entry["indent"])
            stack = [item for item in stack if item[0] < indent] + [(indent, entry["name"])]
            if pending is not None:
                found[".".join(name for _, name in stack)] = pending
            pending = None
    return found


def table(values: Mapping[str, Any], descriptions: Mapping[str, str]) -> str:
    """The README's table: a row for each described value and each setting."""
    rows = ["| value | default | what |", "|---|---|---|"]
    for path, value in _leaves(values, "", descriptions):
        default = json.dumps(value, ensure_ascii=False).replace("|", "\\|")
        rows.append(f"| `{path}` | `{default}` | {descriptions.get(path, '').replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def _leaves(
    values: Mapping[str, Any], prefix: str, descriptions: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        path = f"{prefix}{name}"
        if path in descriptions or not isinstance(value, dict) or not value:
            yield path, value
        else:
            yield from _leaves(value, f"{path}.", descriptions)


def metrics_table() -> str:
    """METRICS.md's table: every metric of the worker."""
    rows = ["| metric | type | labels | what |", "|---|---|---|---|"]
    for collector in vars(Metrics(CollectorRegistry(), "score")).values():
        if isinstance(collector, MetricWrapperBase):
            (family,) = collector.describe()
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)  # noqa: SLF001
            rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def sizing_table() -> str:
    """SIZING.md's table: what `stream-worker sizing` prints."""
    sizes = {name: size(Load(night), Measured()) for name, night in SURVEYS.items()}
    rows = [
        "| | " + " | ".join(f"{name}, {SURVEYS[name]:,} a night" for name in sizes) + " |",
        "|---" * 4 + "|",
    ]
    for field in fields(Size):
        shown = (shown_value(field.name, getattr(found, field.name)) for found in sizes.values())
        rows.append(f"| {field.name.replace('_', ' ')} | " + " | ".join(shown) + " |")
    return "\n".join(rows) + "\n"


def between(text: str, begin: str, end: str, body: str) -> str:
    """``text`` with the part between two marks replaced."""
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"no {begin.strip()!r} … {end.strip()!r} to write into")
    return before + begin + body + end + after


def generated() -> dict[Path, str]:
    """What each file should hold."""
    names = ("values.yaml", "README.md", "METRICS.md", "SIZING.md")
    values_file, readme, metrics, sizing = (CHART / name for name in names)
    text = between(values_file.read_text(), BEGIN, END, settings_block())
    values, descriptions = yaml.safe_load(text), described_paths(text)
    return {
        values_file: text,
        CHART / "values.schema.json": json.dumps(schema(values, descriptions), indent=1, ensure_ascii=False)
        + "\n",
        sizing: between(sizing.read_text(), SIZING_BEGIN, SIZING_END, sizing_table()),
        metrics: between(metrics.read_text(), METRICS_BEGIN, METRICS_END, metrics_table()),
        readme: between(readme.read_text(), TABLE_BEGIN, TABLE_END, table(values, descriptions)),
    }


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` compare."""
    check = arguments == ["--check"]
    if arguments and not check:
        sys.stderr.write(f"usage: {sys.argv[0]} [--check]\n")
        return 2
    stale = {
        path: text for path, text in generated().items() if not path.exists() or path.read_text() != text
    }
    for path, text in stale.items():
        if check:
            sys.stderr.write(f"{path.name} is not what the settings and comments say: run `make chart`\n")
        else:
            path.write_text(text)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
