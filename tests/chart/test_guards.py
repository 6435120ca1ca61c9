"""What cannot work is refused by `helm template` (lint lets `fail` pass), with every fault at once."""

from __future__ import annotations

import pytest
from support.chart_values import (
    BASE,
    GPU,
    HPA,
    IMAGE_VOLUME,
    INIT,
    KEDA,
    PVC,
    REGISTRY,
    REPLAY,
    SASL,
    SHA,
    merged,
)
from support.helm import HelmFailed


def refused(helm, *layers, options=()) -> str:
    with pytest.raises(HelmFailed) as caught:
        helm.text(merged(*layers), *options)
    return str(caught.value)


GUARDS = {
    "no brokers": ([], "settings.kafka.bootstrap_servers is empty"),
    "keda beyond the partitions": (
        [BASE, KEDA, {"scorer": {"autoscaling": {"maxReplicas": 13}}}],
        "scorer.autoscaling.maxReplicas is 13 but topics.partitions is 12",
    ),
    "hpa beyond the partitions": (
        [BASE, HPA, {"deduplicator": {"autoscaling": {"maxReplicas": 20}}}],
        "deduplicator.autoscaling.maxReplicas is 20 but topics.partitions is 12",
    ),
    "scorers beyond the partitions": ([BASE, {"scorer": {"replicas": 13}}], "scorer.replicas is 13"),
    "deduplicators beyond the partitions": (
        [BASE, {"deduplicator": {"replicas": 4}, "topics": {"partitions": 3}, "scorer": {"replicas": 3}}],
        "deduplicator.replicas is 4 but topics.partitions is 3",
    ),
    "fewest above most": (
        [BASE, KEDA, {"scorer": {"autoscaling": {"minReplicas": 5, "maxReplicas": 4}}}],
        "minReplicas is 5, above maxReplicas 4",
    ),
    "fallback above most": (
        [BASE, KEDA, {"scorer": {"autoscaling": {"maxReplicas": 1}}}],
        "fallback.replicas is 2, above maxReplicas 1",
    ),
    "keda without credentials": ([BASE, KEDA, SASL], "authenticationRef is empty"),
    "more in-sync copies than copies": (
        [BASE, {"topics": {"replicationFactor": 1}}],
        "topics.minInsyncReplicas is 2, above topics.replicationFactor 1",
    ),
    "unpinned bundle": ([BASE, PVC, {"model": {"sha256": ""}}], "model.sha256 is empty"),
    "no claim": ([BASE, PVC, {"model": {"pvc": {"claimName": ""}}}], "model.pvc.claimName is empty"),
    "no image volume": (
        [BASE, IMAGE_VOLUME, {"model": {"imageVolume": {"reference": ""}}}],
        "model.imageVolume.reference is empty",
    ),
    "no init image": (
        [BASE, INIT, {"model": {"initContainer": {"image": ""}}}],
        "model.initContainer.image is empty",
    ),
    "nobody logs in": ([BASE, SASL, {"kafka": {"sasl": {"username": ""}}}], "kafka.sasl.username and"),
    "certificate without key": (
        [BASE, {"kafka": {"tls": {"enabled": True, "certificateKey": "tls.crt"}}}],
        "kafka.tls.privateKeyKey is not",
    ),
    "registry's secret without registry": (
        [BASE, REGISTRY, {"settings": {"registry": {"url": None}}}],
        "settings.registry.url is not",
    ),
    "registry's password of nobody": (
        [BASE, REGISTRY, {"settings": {"registry": {"username": None}}}],
        "settings.registry.username is not",
    ),
    "secret property": (
        [BASE, {"settings": {"kafka": {"properties": {"sasl.password": "hunter2"}}}}],
        "would put a secret into a ConfigMap",
    ),
    "secret property of one stage": (
        [BASE, {"scorer": {"settings": {"kafka": {"consumer_properties": {"ssl.key.pem": "hunter2"}}}}}],
        "would put a secret into a ConfigMap",
    ),
    "secret in the registry's address": (
        [BASE, {"settings": {"registry": {"url": "https://me:hunter2@registry"}}}],
        "settings.registry.url holds credentials",
    ),
    "secret in the collector's address": (
        [BASE, {"settings": {"tracing": {"endpoint": "https://me:hunter2@collector/v1/traces"}}}],
        "settings.tracing.endpoint holds credentials",
    ),
    "nameless replay": ([BASE, REPLAY, {"replay": {"id": ""}}], "replay.id is empty"),
    "replay of nothing": (
        [BASE, REPLAY, {"replay": {"archive": {"existingClaim": ""}}}],
        "replay.archive.existingClaim is empty",
    ),
}


@pytest.mark.parametrize("case", GUARDS)
def test_what_cannot_work_is_refused(helm, case):
    layers, says = GUARDS[case]
    message = refused(helm, *layers)
    assert says in message
    assert "hunter2" not in message


def test_image_volumes_are_refused_where_kubernetes_has_none(helm):
    message = refused(helm, BASE, IMAGE_VOLUME, options=("--kube-version", "1.34.0"))
    assert "needs Kubernetes 1.35 or newer" in message
    assert helm.text(merged(BASE, IMAGE_VOLUME), "--kube-version", "1.35.0")


def test_every_fault_is_listed_at_once(helm):
    message = refused(helm, {"scorer": {"replicas": 99}}, KEDA, {"topics": {"minInsyncReplicas": 9}})
    for says in ("bootstrap_servers", "minInsyncReplicas"):
        assert says in message


def test_lint_would_have_let_a_guard_pass(helm):
    assert "0 chart(s) failed" in helm.run("lint", "helm", values={})


SCHEMA = {
    "unknown value": ({"scorers": {}}, "scorers"),
    "unknown value within": ({"scorer": {"replica": 2}}, "replica"),
    "unknown setting": ({"settings": {"loop": {"max_record": 5}}}, "max_record"),
    "unknown overlay": ({"deduplicator": {"settings": {"rules": {}}}}, "rules"),
    "setting out of range": ({"settings": {"loop": {"max_records": 0}}}, "max_records"),
    "setting of the wrong type": ({"settings": {"kafka": {"session_timeout_ms": "x"}}}, "session_timeout_ms"),
    "secret as a setting": ({"settings": {"registry": {"password": "hunter2"}}}, "password"),
    "no memory limit": ({"scorer": {"resources": {"limits": {"memory": None}}}}, "memory"),
    "bad quantity": ({"scorer": {"resources": {"limits": {"memory": "1 GB"}}}}, "memory"),
    "bad digest": ({"image": {"digest": "latest"}}, "digest"),
    "bad checksum": ({"model": {"sha256": SHA[:-1]}}, "sha256"),
    "unknown model source": ({"model": {"source": "s3"}}, "source"),
    "no replicas": ({**KEDA, "scorer": {"autoscaling": {"minReplicas": 0}}}, "minReplicas"),
    "bad gpu resource": (merged(GPU, {"scorer": {"gpu": {"resource": "gpu"}}}), "resource"),
    "random port": ({"settings": {"http": {"port": 0}}}, "port"),
}


@pytest.mark.parametrize("case", SCHEMA)
def test_the_schema_refuses_what_it_does_not_know(helm, case):
    values, says = SCHEMA[case]
    assert says in refused(helm, BASE, values)
