"""Series that make each alert fire, or nearly, for Prometheus' own `promtool test rules`."""

from __future__ import annotations

from typing import Any

OURS = {"namespace": "lensnet", "app_kubernetes_io_instance": "survey", "pod": "p"}


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return {"series": f"{name}{{{shown}}}", "values": values}


def ours(name: str, values: str, **labels: str) -> dict[str, str]:
    return series(name, values, **OURS, **labels)


FIRING: dict[str, tuple[str, list[dict[str, str]]]] = {
    "LensNetLagGrowing": ("45m", [ours("lensnet_consumer_lag", "1900+50x60", topic="t", partition="0")]),
    "LensNetOldestAlertLate": (
        "30m",
        [ours("lensnet_oldest_record_age_seconds", "300+60x40", stage="score")],
    ),
    "LensNetTransactionAborts": (
        "45m",
        [
            ours("lensnet_transactions_total", "0+8x60", stage="score", result="committed"),
            ours("lensnet_transactions_total", "0+2x60", stage="score", result="aborted"),
        ],
    ),
    "LensNetBrokerUnreachable": ("10m", [ours("lensnet_broker_up", "0x20", stage="score")]),
    "LensNetNoWorker": ("15m", [ours("lensnet_heartbeat_timestamp_seconds", "0+60x20", stage="deduplicate")]),
    "LensNetRecordsLost": ("5m", [ours("lensnet_records_lost_total", "17x20", topic="t")]),
    "LensNetQuarantineRate": (
        "1h",
        [
            ours("lensnet_outcomes_total", "0+100x60", stage="score", outcome="SCORED"),
            ours("lensnet_quarantined_total", "0+2x60", stage="score", reason="not_framed"),
        ],
    ),
    "LensNetScoreDrift": (
        "10d",
        [
            # the scores of the last 8 hours are high, those before were low
            ours("lensnet_p_review_count", "0+600x240"),
            ours("lensnet_p_review_bucket", "0+540x232 125460+180x8", le="0.45"),
        ],
    ),
    "LensNetSiteSilent": (
        "150h",
        [
            ours("lensnet_site_newest_observation_timestamp_seconds", "0+3600x160", site="SAAO"),
            ours("lensnet_site_newest_observation_timestamp_seconds", "0+3600x17 61200x143", site="SSO"),
        ],
    ),
    "LensNetProviderFallback": (
        "10m",
        [ours("lensnet_model_info", "1x20", provider="cpu", requested_provider="cuda")],
    ),
    "LensNetBalanceBroken": (
        "5m",
        [
            series(
                "kube_job_failed",
                "1x10",
                namespace="lensnet",
                job_name="survey-lensnet-stream-balance-7",
                condition="true",
            )
        ],
    ),
    "LensNetBalanceNotChecked": (
        "4h",
        [
            series(
                "kube_cronjob_status_last_successful_time",
                "60x300",
                namespace="lensnet",
                cronjob="survey-lensnet-stream-balance",
            )
        ],
    ),
}
"""Alert, when to look, and series, one value a minute, or an hour for those of HOURLY."""

HOURLY = {"LensNetScoreDrift", "LensNetSiteSilent"}

QUIET: dict[str, list[dict[str, str]]] = {
    # behind, but catching up
    "LensNetLagGrowing": [ours("lensnet_consumer_lag", "9000-50x60", topic="t", partition="0")],
    "LensNetOldestAlertLate": [ours("lensnet_oldest_record_age_seconds", "300x400", stage="score")],
    "LensNetTransactionAborts": [
        ours("lensnet_transactions_total", "0+50x60", stage="score", result="committed"),
        ours("lensnet_transactions_total", "0+1x60", stage="score", result="aborted"),
    ],
    "LensNetBrokerUnreachable": [ours("lensnet_broker_up", "1x20", stage="score")],
    "LensNetNoWorker": [
        ours("lensnet_heartbeat_timestamp_seconds", "0+60x20", stage="deduplicate"),
        ours("lensnet_heartbeat_timestamp_seconds", "0+60x20", stage="score"),
    ],
    "LensNetRecordsLost": [ours("lensnet_records_lost_total", "0x20", topic="t")],
    "LensNetQuarantineRate": [
        ours("lensnet_outcomes_total", "0+1000x60", stage="score", outcome="SCORED"),
        ours("lensnet_quarantined_total", "0+2x60", stage="score", reason="not_framed"),
    ],
    # so few scores that their share says nothing
    "LensNetScoreDrift": [
        ours("lensnet_p_review_count", "0+60x240"),
        ours("lensnet_p_review_bucket", "0+54x232 12546+18x8", le="0.45"),
    ],
    # all sites are silent: the season is over
    "LensNetSiteSilent": [
        ours("lensnet_site_newest_observation_timestamp_seconds", "60000x160", site=site)
        for site in ("SAAO", "SSO")
    ],
    "LensNetProviderFallback": [
        ours("lensnet_model_info", "1x20", provider="cpu", requested_provider="cpu"),
        ours("lensnet_model_info", "1x20", provider="cuda", requested_provider="cuda"),
    ],
    # complete at its second try, and another job's
    "LensNetBalanceBroken": [
        series(
            "kube_job_status_failed",
            "1x10",
            namespace="lensnet",
            job_name="survey-lensnet-stream-balance-7",
        ),
        series(
            "kube_job_failed",
            "1x10",
            namespace="lensnet",
            job_name="survey-lensnet-stream-balance-7",
            condition="false",
        ),
        series(
            "kube_job_failed",
            "1x10",
            namespace="lensnet",
            job_name="survey-lensnet-stream-topics",
            condition="true",
        ),
    ],
    "LensNetBalanceNotChecked": [
        series(
            "kube_cronjob_status_last_successful_time",
            "0+60x300",
            namespace="lensnet",
            cronjob="survey-lensnet-stream-balance",
        )
    ],
}
"""Series that must not make the alert fire at the same time."""


def promtool_tests(rules_file: str, interval: str) -> dict[str, Any]:
    """A test file for ``promtool test rules``: each alert fires once on FIRING and never on QUIET.

    Prometheus' own ALERTS series tells how many fire, so that their texts need not be repeated here.
    ``interval`` is 1m or 1h.
    """
    groups = []
    for alert, (at, inputs) in FIRING.items():
        if (alert in HOURLY) != (interval == "1h"):
            continue
        for name, input_series, count in ((alert, inputs, 1), (f"not {alert}", QUIET[alert], 0)):
            firing = {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": count}] if count else [],
            }
            groups.append(
                {
                    "name": name,
                    "interval": interval,
                    "input_series": input_series,
                    "promql_expr_test": [firing],
                }
            )
    return {"rule_files": [rules_file], "evaluation_interval": interval, "tests": groups}
