"""Strict validation of manifests: Kubernetes' own by kubernetes-validate, custom ones against their CRDs."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from kubernetes_validate import utils as kubernetes_schemas

from support.helm import Manifest, pod_of

# the library reads its megabytes of definitions anew for every manifest
kubernetes_schemas.schema_contents = functools.cache(kubernetes_schemas.schema_contents)

CRDS = Path(__file__).parents[1] / "chart" / "crds"
KUBERNETES = ("1.33", "1.35", "1.37")


class InvalidManifest(Exception):
    """What, where, and why."""


def validate(manifest: Manifest, version: str) -> None:
    """Raise InvalidManifest unless every field is known and right.

    A custom resource without a schema is invalid too: nothing goes unchecked.
    """
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    group = manifest["apiVersion"].partition("/")[0]
    try:
        if "." in group and not group.endswith(".k8s.io"):
            _custom(manifest)
        else:
            kubernetes_validate.validate(manifest, version, strict=True)
    except (kubernetes_validate.ValidationError, jsonschema.ValidationError) as error:
        path = ".".join(map(str, error.absolute_path))
        raise InvalidManifest(f"{name}, Kubernetes {version}: {path}: {error.message}") from None
    except kubernetes_validate.SchemaNotFoundError as error:
        raise InvalidManifest(f"{name}, Kubernetes {version}: {error.message}") from None


def _custom(manifest: Manifest) -> None:
    schemas = _crd_schemas()
    key = (manifest["apiVersion"], manifest["kind"])
    if key not in schemas:
        raise InvalidManifest(f"no CRD schema for {key[0]} {key[1]} in {CRDS}")
    jsonschema.Draft202012Validator(schemas[key]).validate(manifest)
    if manifest["kind"] == "ScaledObject":
        _kafka_triggers(manifest)


def _kafka_triggers(manifest: Manifest) -> None:
    """The CRD takes any map as a trigger's metadata; KEDA's scaler knows its keys."""
    keys = json.loads((CRDS / "keda-kafka-trigger.json").read_text())["keys"]
    for trigger in manifest["spec"]["triggers"]:
        metadata = trigger["metadata"]
        where = f"{manifest['metadata']['name']}: trigger {trigger['type']}"
        assert trigger["type"] == "kafka", where
        unknown = sorted(set(metadata) - set(keys))
        missing = sorted(name for name, key in keys.items() if key["required"] and name not in metadata)
        wrong = {
            name: value
            for name, value in metadata.items()
            if name in keys and value not in keys[name].get("enum", [value])
        }
        if unknown or missing or wrong:
            raise InvalidManifest(f"{where}: unknown {unknown}, missing {missing}, wrong {wrong}")


@functools.cache
def _crd_schemas() -> dict[tuple[str, str], Any]:
    found = {}
    for file in CRDS.glob("*.yaml"):
        spec = yaml.safe_load(file.read_text())["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


def _strict(schema: Any) -> Any:
    """A structural schema as JSON schema that forbids what it doesn't name, as strict field checks do."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {
        key: {name: _strict(inner) for name, inner in value.items()}
        if key == "properties"
        else _strict(value)
        for key, value in schema.items()
    }
    if strict.get("x-kubernetes-int-or-string"):
        strict["type"] = ["integer", "string"]
        strict.pop("anyOf", None)
    if (
        "properties" in strict
        and "type" in strict
        and "additionalProperties" not in strict
        and not strict.get("x-kubernetes-preserve-unknown-fields")
    ):
        strict["additionalProperties"] = False
    if strict.pop("nullable", False):
        strict["type"] = [strict["type"], "null"]
    return strict


_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret", "image",
}  # fmt: skip


def pod_security_faults(manifest: Manifest) -> list[str]:
    """What of a workload breaks the restricted Pod Security Standard."""
    pod = pod_of(manifest)
    if pod is None:
        return []
    spec, faults = pod["spec"], []
    context = spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            faults.append(f"{field} is set")
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            faults.append(f"volume {volume['name']} is of a forbidden kind {kinds - _VOLUMES}")
    if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        faults.append("no seccomp profile")
    if context.get("runAsUser") == 0:
        faults.append("runs as root")
    if context.get("sysctls"):
        faults.append("sets sysctls")
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        own, name = container.get("securityContext", {}), container["name"]
        if own.get("runAsNonRoot", context.get("runAsNonRoot")) is not True or own.get("runAsUser") == 0:
            faults.append(f"{name}: may run as root")
        if own.get("allowPrivilegeEscalation") is not False:
            faults.append(f"{name}: may escalate")
        if own.get("privileged"):
            faults.append(f"{name}: privileged")
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            faults.append(f"{name}: keeps capabilities")
        for port in container.get("ports", []):
            if port.get("hostPort"):
                faults.append(f"{name}: takes a port of the host")
    return faults


def unbounded(manifest: Manifest) -> list[str]:
    """Containers without requests and a memory limit."""
    pod = pod_of(manifest)
    faults = []
    for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]] if pod else []:
        resources = container.get("resources", {})
        for part, name in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if name not in resources.get(part, {}):
                where = f"{manifest['kind']} {manifest['metadata']['name']}: {container['name']}"
                faults.append(f"{where}: no {part}.{name}")
    return faults
