"""Every manifest, with every switch on and off, is valid for three Kubernetes versions and for its CRD."""

from __future__ import annotations

from copy import deepcopy

import pytest
from support.chart_values import BASE, CASES, KEDA, MONITORING, merged
from support.helm import containers_of
from support.manifests import KUBERNETES, InvalidManifest, pod_security_faults, unbounded, validate


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_strictly_valid(helm, case, version):
    manifests = helm.render(CASES[case])
    assert manifests
    for manifest in manifests:
        validate(manifest, version)


@pytest.mark.parametrize("case", CASES)
def test_every_pod_passes_the_restricted_pod_security_standard_and_is_bounded(helm, case):
    for manifest in helm.render(CASES[case]):
        assert not pod_security_faults(manifest)
        assert not unbounded(manifest)
        for container in containers_of(manifest):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_helm_lint_finds_nothing(helm):
    out = helm.run("lint", "--strict", "helm", values=BASE)
    assert "0 chart(s) failed" in out


# planted mistakes: each must be caught


def refusal(manifest, version="1.37") -> str:
    with pytest.raises(InvalidManifest) as caught:
        validate(manifest, version)
    print(caught.value)
    return str(caught.value)


def test_a_planted_wrong_field_is_caught(helm):
    deployment = deepcopy(helm.one(BASE, "Deployment", "scorer"))
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 35
    for version in KUBERNETES:
        assert "terminationGracePeriod" in refusal(deployment, version)


def test_a_planted_wrong_type_is_caught(helm):
    deployment = deepcopy(helm.one(BASE, "Deployment", "scorer"))
    deployment["spec"]["replicas"] = "two"
    assert "replicas" in refusal(deployment)


def test_a_planted_wrong_crd_key_is_caught(helm):
    scaled = deepcopy(helm.one(merged(BASE, KEDA), "ScaledObject"))
    scaled["spec"]["fallback"]["behaviour"] = scaled["spec"]["fallback"].pop("behavior")
    assert "behaviour" in refusal(scaled)
    monitor = deepcopy(helm.one(merged(BASE, MONITORING), "PodMonitor"))
    monitor["spec"]["podMetricsEndpoint"] = monitor["spec"].pop("podMetricsEndpoints")
    assert "podMetricsEndpoint" in refusal(monitor)
    rule = deepcopy(helm.one(merged(BASE, MONITORING), "PrometheusRule"))
    rule["spec"]["groups"][0]["rules"][0]["annotation"] = {}
    assert "annotation" in refusal(rule)


def test_a_planted_wrong_trigger_key_or_value_is_caught(helm):
    scaled = deepcopy(helm.one(merged(BASE, KEDA), "ScaledObject"))
    metadata = scaled["spec"]["triggers"][0]["metadata"]
    metadata["lagTreshold"] = metadata.pop("lagThreshold")
    assert "lagTreshold" in refusal(scaled)
    scaled = deepcopy(helm.one(merged(BASE, KEDA), "ScaledObject"))
    scaled["spec"]["triggers"][0]["metadata"]["offsetResetPolicy"] = "newest"
    assert "newest" in refusal(scaled)


def test_a_custom_resource_without_a_schema_is_caught():
    assert "no CRD schema" in refusal(
        {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x"}}
    )


def test_a_planted_missing_limit_is_caught(helm):
    deployment = deepcopy(helm.one(BASE, "Deployment", "scorer"))
    del containers_of(deployment)[0]["resources"]["limits"]["memory"]
    faults = unbounded(deployment)
    print(faults)
    assert any("no limits.memory" in fault for fault in faults)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("allowPrivilegeEscalation", True, "escalate"),
        ("runAsNonRoot", False, "root"),
        ("privileged", True, "privileged"),
        ("capabilities", {"drop": []}, "capabilities"),
    ],
)
def test_a_planted_hole_in_the_security_context_is_caught(helm, field, value, says):
    deployment = deepcopy(helm.one(BASE, "Deployment", "scorer"))
    containers_of(deployment)[0]["securityContext"][field] = value
    assert any(says in fault for fault in pod_security_faults(deployment))
