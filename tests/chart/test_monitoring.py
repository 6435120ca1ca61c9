"""Alerts, dashboard, runbooks and metric descriptions fit what running workers really export."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from dataclasses import replace

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.alert_cases import FIRING, QUIET, promtool_tests
from support.candidates import make_candidates
from support.chart_values import BASE, MONITORING, merged
from support.helm import CHART, ROOT
from support.promql import Exported, faults, grouping
from support.stream import Stream

from stream_worker.candidate import Tense
from stream_worker.local_stream.processes import WorkerProcess, start_worker, stopping

VALUES = merged(BASE, MONITORING)
# what no run without a GPU can show
UNSEEN = {"requested_provider": {"cuda"}}


def scrape(worker: WorkerProcess) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=5) as reply:
        return str(reply.read().decode())


def lags(text: str) -> list[float]:
    """Lag of each partition; that of a stage that has worked off everything is 0."""
    families = text_string_to_metric_families(text)
    return [s.value for family in families for s in family.samples if s.name == "lensnet_consumer_lag"]


@pytest.fixture(scope="session")
def scraped(kafka, tmp_path_factory) -> list[str]:
    """Metrics of both stages after candidates, a packet that cannot be read, and a first lag report."""
    folder = tmp_path_factory.mktemp("scrape")
    stream = Stream(kafka, f"scrape-{os.getpid()}-{time.time_ns()}-", partitions=2)
    stream.produce(replace(candidate, tense=Tense.CURRENT) for candidate in make_candidates(40, seed=8))
    stream.produce_raw([b"no packet at all"])
    workers = [start_worker(stage, stream.environ, folder) for stage in ("score", "deduplicate")]
    with stopping(workers, lambda *_: None):
        for worker in workers:
            worker.wait_started()
        stream.wait(lambda books: all(book.balanced for book in books), workers, 90)
        deadline = time.monotonic() + 20
        while True:
            texts = [scrape(worker) for worker in workers]
            if all(lags(text) == [0.0, 0.0] for text in texts):
                return texts
            assert time.monotonic() < deadline, f"lags {[lags(text) for text in texts]}, expected 0"
            time.sleep(0.3)


@pytest.fixture(scope="session")
def exported(scraped) -> Exported:
    labels: dict[str, dict[str, set[str]]] = {}
    for text in scraped:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                known = labels.setdefault(sample.name, {})
                for name, value in sample.labels.items():
                    known.setdefault(name, set()).add(value)
    return Exported(labels)


@pytest.fixture(scope="session")
def rules(helm) -> list[dict]:
    groups = helm.one(VALUES, "PrometheusRule")["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="session")
def dashboard(helm) -> dict:
    return json.loads(helm.one(VALUES, "ConfigMap", "-dashboard")["data"]["lensnet-stream.json"])


def test_every_alert_asks_for_what_the_workers_export(rules, exported):
    assert len(rules) == 13
    found = {rule["expr"]: faults(rule["expr"], exported, unseen=UNSEEN) for rule in rules}
    assert not {expression: wrong for expression, wrong in found.items() if wrong}


def test_every_panel_asks_for_what_the_workers_export(dashboard, exported):
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(targets) > 15
    wrong = {target["expr"]: faults(target["expr"], exported) for target in targets}
    assert not {expression: found for expression, found in wrong.items() if found}


def test_every_metric_is_on_the_dashboard(dashboard, scraped):
    shown = json.dumps(dashboard)
    for text in scraped:
        for family in text_string_to_metric_families(text):
            if family.name.startswith("lensnet_") and not family.name.endswith("_created"):
                assert family.name in shown, family.name


def test_every_exported_metric_is_described_with_its_labels(scraped):
    text = (CHART / "METRICS.md").read_text()
    described = dict(re.findall(r"^\| `(lensnet_\w+)` \| \w+ \| ([^|]*) \|", text, re.MULTILINE))
    names = set()
    # prometheus_client also exports a time of creation for each counter and histogram
    for family in (family for part in scraped for family in text_string_to_metric_families(part)):
        if family.name.startswith("lensnet_") and not family.name.endswith("_created"):
            name = family.name + {"counter": "_total"}.get(family.type, "")
            name = "lensnet_model_info" if family.name == "lensnet_model_info" else name
            names.add(name)
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            if family.name != "lensnet_model_info":
                assert labels <= set(re.findall(r"`(\w+)`", described[name])), name
    assert names == set(described)


def test_alert_texts_use_labels_that_their_results_have(rules):
    for rule in rules:
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert used <= grouping(rule["expr"]) | set(rule["labels"]), rule["alert"]


def test_every_alert_has_a_severity_and_a_runbook_of_its_own(helm, rules):
    runbooks = re.findall(r"^## (\w+)$", (CHART / "RUNBOOKS.md").read_text(), re.MULTILINE)
    assert {rule["alert"] for rule in rules} == set(runbooks)
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["runbook_url"].endswith(f"RUNBOOKS.md#{rule['alert'].lower()}")
    unlinked = merged(VALUES, {"monitoring": {"rules": {"runbookUrl": ""}}})
    for group in helm.one(unlinked, "PrometheusRule")["spec"]["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["runbook"] == f"RUNBOOKS.md#{rule['alert'].lower()} (in the chart)"


LEVELS = {"exception": "error"} | {level: level for level in ("info", "warning", "error", "critical")}


def written_events() -> set[tuple[str, str, frozenset[str]]]:
    """Event, level and fields of every line that a worker logs, but for those of debugging."""
    found = set()
    for path in (ROOT / "stream_worker").rglob("*.py"):
        if path.parent.name == "dumping":
            continue  # lines of a command, not of a worker
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Attribute(ast.Name("log"), level), [said]) if level in LEVELS:
                    fields = frozenset(word.arg for word in node.keywords) - {"stage"}  # every line has it
                    texts = [one.value for one in ast.walk(said) if isinstance(one, ast.Constant)]
                    found |= {(text, LEVELS[level], fields) for text in texts}
    return found


def test_the_described_log_events_are_those_that_the_worker_writes():
    text = (CHART / "METRICS.md").read_text()
    table = text.partition("<!-- events: checked -->")[2].partition("<!-- /events -->")[0]
    described = {
        (event, level.strip(), frozenset(re.findall(r"`([^`]+)`", fields)))
        for line in table.splitlines()
        if line.startswith("| `")
        for events, level, _, fields in [line.strip("|").split("|")]
        for event in re.findall(r"`([^`]+)`", events)
    }
    assert described == written_events()


# planted mistakes: each must be caught


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ('sum(lensnet_consumer_lags{topic="x"})', "no such metric: lensnet_consumer_lags"),
        ("sum by (stage) (lensnet_consumer_lag)", "no label stage to group by"),
        ('rate(lensnet_transactions_total{outcome="aborted"}[5m])', "no label outcome"),
        ('rate(lensnet_transactions_total{result="abort"}[5m])', "result is never 'abort'"),
        ('rate(lensnet_p_review_bucket{le="0.42"}[5m])', "le is never '0.42'"),
        ("sum(rate(lensnet_outcomes_total[5m])", "does not parse"),
    ],
)
def test_a_planted_wrong_metric_in_an_alert_is_caught(exported, expression, says):
    found = faults(expression, exported, unseen=UNSEEN)
    print(found)
    assert any(says in fault for fault in found), found


def test_there_is_a_case_for_and_against_every_alert(rules):
    assert {rule["alert"] for rule in rules} == set(FIRING) == set(QUIET)


PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")


@pytest.mark.skipif(
    not PROMTOOL, reason="no promtool on the PATH nor in $PROMTOOL: rules not run by Prometheus"
)
def test_prometheus_itself_fires_each_alert_when_it_should(helm, tmp_path):
    rule = helm.one(VALUES, "PrometheusRule")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    for interval in ("1m", "1h"):
        tests = promtool_tests("rules.yaml", interval)
        (tmp_path / f"tests-{interval}.yaml").write_text(yaml.safe_dump(tests))
    tests = ["test", "rules", "tests-1m.yaml", "tests-1h.yaml"]
    for command in (["check", "rules", "rules.yaml"], tests):
        done = subprocess.run([PROMTOOL, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
