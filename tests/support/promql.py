"""What a PromQL expression asks for, and whether the workers export it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser

TARGET_LABELS = {
    "namespace", "pod", "container", "job", "instance",
    "app_kubernetes_io_instance", "app_kubernetes_io_component",
}  # fmt: skip
"""Labels that Prometheus adds to every sample of the chart's PodMonitor."""

FOREIGN = {
    "kube_job_failed": {"namespace", "job_name", "condition"},
    "kube_cronjob_status_last_successful_time": {"namespace", "cronjob"},
}
"""Metrics of kube-state-metrics that the rules use."""

EQUAL = promql_parser.MatchOp.Equal


@dataclass(frozen=True)
class Exported:
    """Sample names that workers export, with every value of every label."""

    labels: Mapping[str, Mapping[str, set[str]]]


def walk(node: Any) -> Iterator[Any]:
    """Every node of a parsed expression."""
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from walk(inner)
    for inner in getattr(node, "args", None) or ():
        yield from walk(inner)


def selectors(node: Any) -> list[Any]:
    return [inner for inner in walk(node) if isinstance(inner, promql_parser.VectorSelector)]


def without_variables(expression: str) -> str:
    """Grafana's variables filled in."""
    return re.sub(r"\$__rate_interval", "5m", expression).replace("$namespace", "n").replace("$release", "r")


def faults(expression: str, exported: Exported, *, unseen: Mapping[str, set[str]] | None = None) -> list[str]:
    """What an expression asks for that nobody exports; ``unseen`` are label values that no test run shows."""
    try:
        parsed = promql_parser.parse(without_variables(expression))
    except ValueError as error:
        return [f"does not parse: {error}"]
    found = []
    for selector in selectors(parsed):
        known = _known(selector.name, exported)
        if known is None:
            found.append(f"no such metric: {selector.name}")
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in known and matcher.name not in TARGET_LABELS:
                found.append(f"{selector.name} has no label {matcher.name}")
            elif matcher.op == EQUAL and known.get(matcher.name):
                values = known[matcher.name] | (unseen or {}).get(matcher.name, set())
                if matcher.value not in values:
                    found.append(f"{selector.name}: {matcher.name} is never {matcher.value!r}")
    for node in walk(parsed):
        modifier = getattr(node, "modifier", None)
        if not isinstance(node, promql_parser.AggregateExpr) or modifier is None:
            continue
        for selector in selectors(node):
            known = _known(selector.name, exported) or {}
            for label in modifier.labels:
                if label not in known and label not in TARGET_LABELS:
                    found.append(f"{selector.name} has no label {label} to group by")
    return found


def grouping(expression: str) -> set[str]:
    """Labels that the result keeps by some ``by (…)``."""
    parsed = promql_parser.parse(without_variables(expression))
    modifiers = [getattr(node, "modifier", None) for node in walk(parsed)]
    return {
        label
        for modifier in modifiers
        if isinstance(modifier, promql_parser.AggModifier)
        for label in modifier.labels
    }


def _known(name: str, exported: Exported) -> Mapping[str, set[str]] | None:
    if name in FOREIGN:
        return {label: set() for label in FOREIGN[name]}
    return exported.labels.get(name)
