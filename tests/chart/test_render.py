"""What each switch of the chart does."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from support.chart_values import (
    ALL_EXTRAS,
    BASE,
    CASES,
    EXTRAS,
    GPU,
    HPA,
    IMAGE_VOLUME,
    INIT,
    KEDA,
    MIG,
    OFF,
    PVC,
    REPLAY,
    SASL,
    SHA,
    TLS,
    merged,
)
from support.helm import CHART, containers_of, pod_of

from stream_worker.telemetry.health import Health

HOOK = "helm.sh/hook"


def kinds(helm, values) -> list[str]:
    return sorted(
        f"{m['kind']} {m['metadata']['name'].removeprefix('survey-lensnet-stream-')}"
        for m in helm.render(values)
    )


def pod_spec(helm, values, kind, name):
    return pod_of(helm.one(values, kind, name))["spec"]


def test_the_default_is_both_stages_with_topics_balance_and_test(helm):
    found = kinds(helm, BASE)
    for expected in (
        "Deployment scorer",
        "Deployment deduplicator",
        "Job topics",
        "CronJob balance",
        "Job test",
        "PodDisruptionBudget scorer",
        "PodDisruptionBudget deduplicator",
        "NetworkPolicy scorer",
    ):
        assert expected in found
    for absent in ("ScaledObject", "HorizontalPodAutoscaler", "PodMonitor", "PrometheusRule", "Job replay"):
        assert not any(name.startswith(absent) for name in found)


def test_everything_optional_can_be_turned_off(helm):
    assert kinds(helm, merged(BASE, OFF)) == [
        "ConfigMap settings",
        "Deployment deduplicator",
        "Deployment scorer",
    ]
    for deployment in ("scorer", "deduplicator"):
        spec = pod_spec(helm, merged(BASE, OFF), "Deployment", deployment)
        assert spec["serviceAccountName"] == "default"
        assert "topologySpreadConstraints" not in spec


def test_stages_can_be_turned_off_one_by_one(helm):
    found = kinds(helm, merged(BASE, {"scorer": {"enabled": False}}))
    assert "Deployment deduplicator" in found
    assert not [name for name in found if name.endswith(" scorer") and not name.startswith("ServiceAccount")]


def test_topics_are_created_before_the_workers_start(helm):
    job = helm.one(BASE, "Job", "-topics")
    assert containers_of(job)[0]["args"] == (
        [
            "topics",
            "create",
            "--partitions",
            "12",
            "--replication-factor",
            "3",
            "--min-insync-replicas",
            "2",
            "--retention-days",
            "30",
        ]
    )
    hooks = {
        f"{m['kind']}": int(m["metadata"]["annotations"]["helm.sh/hook-weight"])
        for m in helm.render(BASE)
        if m["metadata"].get("annotations", {}).get(HOOK) == "pre-install,pre-upgrade"
    }
    # what the Job needs is there before it
    assert set(hooks) == {"ConfigMap", "ServiceAccount", "NetworkPolicy", "Job"}
    assert all(weight < hooks["Job"] for kind, weight in hooks.items() if kind != "Job")
    assert pod_of(job)["spec"]["volumes"][0]["configMap"]["name"] == "survey-lensnet-stream-topics"


def test_the_commands_and_options_in_the_chart_are_those_of_the_worker(helm):
    from click.testing import CliRunner

    from stream_worker.cli import cli

    for case in ("everything on", "default"):
        for manifest in helm.render(CASES[case]):
            for container in containers_of(manifest):
                if container.get("command") != ["stream-worker"]:
                    continue
                words = [word for word in container["args"] if re.fullmatch(r"[a-z]+", word)]
                options = {word for word in container["args"] if word.startswith("--")}
                command = words[:2] if words[0] == "topics" else words[:1]
                if command == ["replay"]:
                    command = ["replay", "run"]  # what `replay ARCHIVE` is short for
                shown = CliRunner().invoke(cli, [*command, "--help"])
                assert shown.exit_code == 0, command
                assert options <= set(re.findall(r"--[a-z-]+", shown.output)), command


def test_helm_test_checks_the_topics_for_what_they_were_created_with(helm):
    job = helm.one(BASE, "Job", "-test")
    assert job["metadata"]["annotations"][HOOK] == "test"
    other = {"partitions": 24, "replicationFactor": 4, "minInsyncReplicas": 3, "retentionDays": 400}
    for values in (BASE, merged(BASE, {"topics": other})):
        created, checked = (
            containers_of(helm.one(values, "Job", name))[0]["args"] for name in ("-topics", "-test")
        )
        assert (created[:2], checked[:2]) == (["topics", "create"], ["topics", "check"])
        assert created[2:] == checked[2:]


def test_probes_are_the_workers_own_end_points(helm):
    container = pod_spec(helm, BASE, "Deployment", "scorer")["containers"][0]
    health = Health(60)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        end_point = container[probe]["httpGet"]
        assert isinstance(health.check(end_point["path"].strip("/"))[0], bool)
        assert end_point["port"] == container["ports"][0]["name"]
    assert container["ports"][0]["containerPort"] == 9108
    startup = container["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] == 600
    moved = merged(BASE, {"settings": {"http": {"port": 8080}}})
    assert pod_spec(helm, moved, "Deployment", "scorer")["containers"][0]["ports"][0]["containerPort"] == 8080


def test_the_grace_period_is_longer_than_the_drain(helm):
    assert pod_spec(helm, BASE, "Deployment", "scorer")["terminationGracePeriodSeconds"] == 35
    slower = merged(BASE, {"scorer": {"settings": {"loop": {"drain_timeout_s": 99.5}}}})
    assert pod_spec(helm, slower, "Deployment", "scorer")["terminationGracePeriodSeconds"] == 110
    assert pod_spec(helm, slower, "Deployment", "deduplicator")["terminationGracePeriodSeconds"] == 35


def test_autoscaled_stages_have_no_replicas_of_their_own(helm):
    assert helm.one(BASE, "Deployment", "scorer")["spec"]["replicas"] == 2
    scaled = merged(BASE, KEDA, HPA)
    assert "replicas" not in helm.one(scaled, "Deployment", "scorer")["spec"]
    assert "replicas" not in helm.one(scaled, "Deployment", "deduplicator")["spec"]


def test_keda_scales_on_the_lag_of_the_scorers_group(helm):
    names = {"settings": {"score": {"group_id": "mine"}, "topics": {"candidates": "theirs"}}}
    spec = helm.one(merged(BASE, KEDA, names), "ScaledObject")["spec"]
    metadata = spec["triggers"][0]["metadata"]
    assert (metadata["consumerGroup"], metadata["topic"]) == ("mine", "theirs")
    assert metadata["bootstrapServers"] == "kafka:9092"
    assert spec["minReplicaCount"] == 1
    assert spec["fallback"] == {"failureThreshold": 4, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down == {
        "stabilizationWindowSeconds": 600,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 300}],
    }
    assert spec["scaleTargetRef"]["name"] == helm.one(BASE, "Deployment", "scorer")["metadata"]["name"]
    login = helm.one(CASES["keda with sasl"], "ScaledObject")["spec"]["triggers"][0]
    assert login["authenticationRef"] == {"name": "kafka"}
    assert (login["metadata"]["tls"], login["metadata"]["sasl"]) == ("enable", "scram_sha512")


def test_gpus_mig_slices_and_time_slices(helm):
    for values, resource in ((GPU, "nvidia.com/gpu"), (MIG, "nvidia.com/mig-1g.10gb")):
        spec = pod_spec(helm, merged(BASE, values), "Deployment", "scorer")
        assert spec["containers"][0]["resources"]["limits"][resource] == 1
        assert spec["containers"][0]["image"].endswith("-gpu")
        assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
        plain = pod_spec(helm, merged(BASE, values), "Deployment", "deduplicator")
        assert plain["containers"][0]["image"].endswith("-cpu")
        assert "tolerations" not in plain
    mig = pod_spec(helm, merged(BASE, MIG), "Deployment", "scorer")
    assert mig["runtimeClassName"] == "nvidia"
    assert mig["nodeSelector"] == {"nvidia.com/mig.strategy": "mixed"}


def test_images_by_tag_or_digest(helm):
    digest = "sha256:" + SHA
    for image, expected in (
        ({}, "lensnet/stream-worker:0.1.0-cpu"),
        ({"tag": "1.2.3"}, "lensnet/stream-worker:1.2.3-cpu"),
        ({"registry": "r:5000", "digest": digest}, f"r:5000/lensnet/stream-worker@{digest}"),
    ):
        spec = pod_spec(helm, merged(BASE, {"image": image}), "Deployment", "scorer")
        assert spec["containers"][0]["image"] == expected


@pytest.mark.parametrize(
    ("values", "volume"),
    [
        (IMAGE_VOLUME, {"image": {"reference": "registry/lensnet-model:1", "pullPolicy": "IfNotPresent"}}),
        (PVC, {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}}),
        (INIT, {"emptyDir": {"sizeLimit": "256Mi"}}),
    ],
)
def test_the_model_arrives_read_only_from_where_the_values_say(helm, values, volume):
    spec = pod_spec(helm, merged(BASE, values), "Deployment", "scorer")
    assert {"name": "model", **volume} in spec["volumes"]
    mount = next(m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "model")
    assert mount["readOnly"] is True
    assert mount["mountPath"] == "/models"
    dedup = pod_spec(helm, merged(BASE, values), "Deployment", "deduplicator")
    assert not [v for v in dedup["volumes"] if v["name"] == "model"]


def test_the_init_container_fills_the_models_folder(helm):
    (init,) = pod_spec(helm, merged(BASE, INIT), "Deployment", "scorer")["initContainers"]
    assert {"name": "MODEL_DIR", "value": "/models"} in init["env"]
    assert {"name": "model", "mountPath": "/models"} in init["volumeMounts"]


def test_replay_is_a_job_that_another_replay_does_not_change(helm):
    jobs = [m for m in helm.render(merged(BASE, REPLAY)) if m["kind"] == "Job"]
    (job,) = [m for m in jobs if "-replay-" in m["metadata"]["name"]]
    args = containers_of(job)[0]["args"]
    assert args[:2] == ["replay", "/archive"]
    assert args[args.index("--replay-id") + 1] == "season-2021"
    # without it the worker counts the node's cores, whatever the pod's limit is
    assert args[args.index("--scorers") + 1] == "2"
    again = merged(BASE, REPLAY, {"replay": {"id": "season-2022"}})
    assert job["metadata"]["name"] not in {m["metadata"]["name"] for m in helm.render(again)}


def test_no_account_has_a_token_or_a_role(helm):
    manifests = helm.render(CASES["everything on"])
    assert not [m for m in manifests if "Role" in m["kind"]]
    accounts = [m for m in manifests if m["kind"] == "ServiceAccount"]
    assert len(accounts) == 6
    assert all(account["automountServiceAccountToken"] is False for account in accounts)
    names = {account["metadata"]["name"] for account in accounts}
    for manifest in manifests:
        pod = pod_of(manifest)
        if pod:
            assert pod["spec"]["automountServiceAccountToken"] is False
            assert pod["spec"]["serviceAccountName"] in names


@pytest.mark.parametrize("case", CASES)
def test_selectors_find_exactly_their_own_pods(helm, case):
    manifests = helm.render(CASES[case])
    pods = {
        f"{m['kind']}/{m['metadata']['name']}": pod_of(m)["metadata"]["labels"]
        for m in manifests
        if pod_of(m)
    }
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if manifest["kind"] not in {"Deployment", "PodDisruptionBudget", "NetworkPolicy"}:
            continue
        component = selector["matchLabels"]["app.kubernetes.io/component"]
        found = {name for name, labels in pods.items() if selector["matchLabels"].items() <= labels.items()}
        assert found, manifest["metadata"]["name"]
        assert all(pods[name]["app.kubernetes.io/component"] == component for name in found)


def test_network_policies_let_out_only_what_is_needed(helm):
    policy = helm.one(BASE, "NetworkPolicy", "-scorer")["spec"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 9092, 9093}
    assert policy["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "monitoring"
    }
    assert helm.one(BASE, "NetworkPolicy", "-balance")["spec"]["ingress"] == []
    extra = helm.one(CASES["extras"], "NetworkPolicy", "-scorer")["spec"]["egress"]
    assert [rule for rule in extra if rule.get("ports", [{}])[0].get("port") == 4318]
    assert extra[1]["to"] == ALL_EXTRAS["networkPolicy"]["kafkaTo"]


def test_extras_reach_every_pod(helm):
    for manifest in helm.render(CASES["extras"]):
        pod = pod_of(manifest)
        assert manifest["metadata"]["annotations"]["owner"] == "survey@example.org"
        assert manifest["metadata"]["labels"]["survey"] == "kmtnet"
        if pod is None or manifest["metadata"]["name"].endswith("-test"):
            continue
        assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}]
        assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
        assert pod["metadata"]["labels"]["team"] == "survey"
        assert pod["metadata"]["annotations"]["note"] == "yes"
        container = pod["spec"]["containers"][0]
        assert EXTRAS["extraEnv"][0] in container["env"]
        assert container["envFrom"] == EXTRAS["extraEnvFrom"]
        assert EXTRAS["extraVolumeMounts"][0] in container["volumeMounts"]
        assert EXTRAS["extraVolumes"][0] in pod["spec"]["volumes"]
        assert container["image"].startswith("registry.example.org:5000/")


def digest(helm, *layers, stage="scorer") -> str:
    deployment = helm.one(merged(BASE, *layers), "Deployment", stage)
    return pod_of(deployment)["metadata"]["annotations"]["checksum/settings"]


def test_changed_settings_restart_the_pods_but_changed_rules_do_not(helm):
    first = digest(helm)
    assert digest(helm, {"settings": {"loop": {"max_records": 9}}}) != first
    assert digest(helm, SASL) != first
    assert digest(helm, {"settings": {"rules": {"publish_threshold": "pure"}}}) == first
    own = {"scorer": {"settings": {"log": {"level": "debug"}}}}
    assert digest(helm, own) != first
    assert digest(helm, own, stage="deduplicator") == digest(helm, stage="deduplicator")


def test_settings_are_mounted_as_a_folder_so_that_changes_arrive(helm):
    spec = pod_spec(helm, BASE, "Deployment", "scorer")
    mount = next(m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "settings")
    assert "subPath" not in mount
    assert {"name": "LENSNET_SETTINGS_FILE", "value": "/etc/lensnet/settings.toml"} in spec["containers"][0][
        "env"
    ]


@pytest.mark.parametrize("case", CASES)
def test_no_secret_value_is_in_a_config_map_an_argument_or_the_environment(helm, case):
    secret = re.compile(r"(?i)(passw|secret|token|jaas|\.pem|credential)")
    for manifest in helm.render(CASES[case]):
        assert manifest["kind"] != "Secret"
        if manifest["kind"] == "ConfigMap":
            for line in "\n".join(manifest["data"].values()).splitlines():
                if secret.search(line):
                    # a heading, or a path below the mounts of existing Secrets
                    assert '= "/run/secrets/' in line or line.strip().startswith("["), line
        for container in containers_of(manifest):
            words = [*container.get("args", []), *(e.get("value", "") for e in container.get("env", []))]
            assert not [word for word in words if secret.search(word)]


def test_secrets_are_mounted_read_only_from_existing_ones(helm):
    spec = pod_spec(helm, merged(BASE, SASL, TLS), "Deployment", "deduplicator")
    assert {"name": "kafka-sasl", "secret": {"secretName": "kafka-user", "defaultMode": 0o440}} in spec[
        "volumes"
    ]
    mounts = {m["mountPath"]: m for m in spec["containers"][0]["volumeMounts"]}
    assert mounts["/run/secrets/kafka-sasl"]["readOnly"] is True
    assert mounts["/run/secrets/kafka-tls"]["readOnly"] is True


def test_the_notes_tell_how_to_subscribe(helm):
    notes = helm.run(
        "install", "survey", str(CHART), "--dry-run=client", "--namespace", "lensnet", values=BASE
    )
    notes = notes[notes.index("NOTES:") :]
    assert "stream-worker tail" in notes
    assert "export KAFKA_BOOTSTRAP_SERVERS=kafka:9092" in notes
    assert "read_committed" in notes


def test_upgrade_from_the_first_version_renders_and_keeps_what_cannot_change(helm):
    """A later chart must take the values of 0.1.0 and keep its immutable fields."""
    first = yaml.safe_load((CHART.parent / "tests" / "chart" / "first_version.yaml").read_text())
    text = helm.text(first["values"], "--is-upgrade")
    assert immutable(list(filter(None, yaml.safe_load_all(text)))) == first["immutable"]


def immutable(manifests) -> dict[str, str]:
    """Fields that Kubernetes refuses to change, by object; Jobs of hooks are made anew."""
    found = {}
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            found[manifest["metadata"]["name"]] = json.dumps(manifest["spec"]["selector"], sort_keys=True)
        elif manifest["kind"] == "PersistentVolumeClaim":
            found[manifest["metadata"]["name"]] = json.dumps(manifest["spec"], sort_keys=True)
        elif manifest["kind"] == "Job" and HOOK not in manifest["metadata"].get("annotations", {}):
            found[manifest["metadata"]["name"].rpartition("-")[0]] = "a new name for a changed Job"
    return found
