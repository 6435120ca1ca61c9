"""Values that turn each switch of the chart on and off."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

SHA = "0123456789abcdef" * 4
Values = dict[str, Any]


def merged(*layers: Mapping[str, Any]) -> Values:
    """Later layers win, key by key."""
    result: Values = {}
    for layer in layers:
        for key, value in layer.items():
            old = result.get(key)
            both = isinstance(old, dict) and isinstance(value, Mapping)
            result[key] = merged(old, value) if both else deepcopy(value)  # type: ignore[arg-type]
    return result


BASE: Values = {"settings": {"kafka": {"bootstrap_servers": "kafka:9092"}}}
SASL = {"kafka": {"sasl": {"existingSecret": "kafka-user", "username": "lensnet"}}}
USER_FROM_SECRET = {"kafka": {"sasl": {"username": "", "usernameKey": "user"}}}
TLS = {"kafka": {"tls": {"enabled": True, "existingSecret": "kafka-tls"}}}
MUTUAL_TLS = merged(TLS, {"kafka": {"tls": {"certificateKey": "tls.crt", "privateKeyKey": "tls.key"}}})
REGISTRY = {
    "settings": {"registry": {"url": "https://registry:8081", "username": "lensnet"}},
    "registry": {"existingSecret": "registry-user"},
}
MONITORING = {
    "monitoring": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "runbookUrl": "https://docs.example.org/RUNBOOKS.md"},
        "dashboard": {"enabled": True},
    }
}
KEDA = {"scorer": {"autoscaling": {"enabled": True}}}
KEDA_LOGIN = {"scorer": {"autoscaling": {"authenticationRef": "kafka"}}}
HPA = {"deduplicator": {"autoscaling": {"enabled": True}}}
GPU = {"scorer": {"gpu": {"enabled": True}}}
REPLAY = {"replay": {"enabled": True, "id": "season-2021", "archive": {"existingClaim": "archives"}}}
IMAGE_VOLUME = {
    "model": {
        "source": "imageVolume",
        "sha256": SHA,
        "imageVolume": {"reference": "registry/lensnet-model:1"},
    }
}
PVC = {"model": {"source": "pvc", "sha256": SHA, "path": "lensnet-1", "pvc": {"claimName": "models"}}}
INIT = {
    "model": {
        "source": "initContainer",
        "sha256": SHA,
        "initContainer": {
            "image": "amazon/aws-cli:2",
            "args": ["s3", "sync", "s3://models/lensnet", "/models"],
            "extraEnvFrom": [{"secretRef": {"name": "bucket"}}],
        },
    }
}
EXTRAS = {
    "extraEnv": [{"name": "LENSNET_LOG__LEVEL", "value": "debug"}],
    "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "survey", "operator": "Exists"}],
    "podLabels": {"team": "survey"},
    "podAnnotations": {"note": "yes"},
}
STAGE_EXTRAS = {**EXTRAS, "priorityClassName": "high", "affinity": {"podAntiAffinity": {}}}
ALL_EXTRAS = {
    "scorer": STAGE_EXTRAS,
    "deduplicator": STAGE_EXTRAS,
    "topics": EXTRAS,
    "balance": EXTRAS,
    "replay": EXTRAS,
    "commonLabels": {"survey": "kmtnet"},
    "commonAnnotations": {"owner": "survey@example.org"},
    "image": {"pullSecrets": ["pull"], "registry": "registry.example.org:5000"},
    "networkPolicy": {
        "kafkaTo": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kafka"}}}],
        "dnsTo": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
        "registryTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "extraEgress": [{"ports": [{"port": 4318, "protocol": "TCP"}]}],
    },
}
OFF = {
    "topics": {"create": False},
    "balance": {"enabled": False},
    "tests": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "scorer": {"podDisruptionBudget": {"enabled": False}, "topologySpread": {"enabled": False}},
    "deduplicator": {"podDisruptionBudget": {"enabled": False}, "topologySpread": {"enabled": False}},
    "serviceAccounts": {
        name: {"create": False} for name in ("scorer", "deduplicator", "topics", "balance", "replay", "test")
    },
}
MIG = {
    "scorer": {
        "gpu": {
            "enabled": True,
            "resource": "nvidia.com/mig-1g.10gb",
            "runtimeClassName": "nvidia",
            "nodeSelector": {"nvidia.com/mig.strategy": "mixed"},
        }
    }
}

CASES: dict[str, Values] = {
    "default": BASE,
    "everything off": merged(BASE, OFF),
    "no stages": merged(BASE, {"scorer": {"enabled": False}, "deduplicator": {"enabled": False}}),
    "sasl": merged(BASE, SASL),
    "sasl, user from secret": merged(BASE, SASL, USER_FROM_SECRET),
    "tls": merged(BASE, TLS),
    "mutual tls": merged(BASE, MUTUAL_TLS),
    "sasl over tls, registry": merged(BASE, SASL, TLS, REGISTRY),
    "monitoring": merged(BASE, MONITORING),
    "keda": merged(BASE, KEDA),
    "keda with sasl": merged(BASE, KEDA, SASL, TLS, KEDA_LOGIN),
    "hpa": merged(BASE, HPA),
    "gpu": merged(BASE, GPU),
    "mig": merged(BASE, MIG),
    "time-sliced gpu": merged(BASE, GPU, {"scorer": {"gpu": {"resource": "nvidia.com/gpu.shared"}}}),
    "replay": merged(BASE, REPLAY),
    "replay on a gpu, model from pvc": merged(BASE, REPLAY, PVC, {"replay": {"gpu": {"enabled": True}}}),
    "model from image volume": merged(BASE, IMAGE_VOLUME),
    "model from pvc": merged(BASE, PVC, {"model": {"pvc": {"subPath": "season"}}}),
    "model from init container": merged(BASE, INIT),
    "extras": merged(BASE, ALL_EXTRAS, REPLAY, REGISTRY),
    "everything on": merged(
        BASE, SASL, MUTUAL_TLS, REGISTRY, MONITORING, KEDA, HPA, GPU, REPLAY, INIT, ALL_EXTRAS,
        KEDA_LOGIN,
    ),
}  # fmt: skip
