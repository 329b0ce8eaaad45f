"""What managed Prometheus watches on the pods that serve, as a table: every alert with its question and its limit.

The resources stand in resources/metrics.py; the names of metrics are those of endpoints/online/metrics.py, and what to
do about an alert stands in docs/observability.md under its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from settings.stage import StageSettings

ERROR, WARNING, NOTICE = 1, 2, 3
MILLISECONDS = 1000
# What monitoring takes for too few to say anything: releases/monitor.yml.
FEWEST_ROWS = 500
SMALLEST_SHARE = 0.0001
WHO = "deployment, model_version"


@dataclass(frozen=True)
class PrometheusRule:
    """One alert: it fires when the expression has had an answer for so long (ISO 8601)."""

    name: str
    expression: str
    for_: str
    severity: int
    summary: str


def rules_of(settings: StageSettings) -> tuple[PrometheusRule, ...]:
    """The alerts of a stage."""
    alerts = settings.alerts
    return (
        PrometheusRule(
            "failed-requests",
            f'60 * sum by (deployment) (rate(scoring_requests_total{{status=~"5.."}}[5m])) '
            f"> {alerts.failed_requests_per_minute}",
            "PT5M",
            ERROR,
            "A deployment answers with server errors.",
        ),
        PrometheusRule(
            "slow-requests",
            "histogram_quantile(0.95, sum by (deployment, le) (rate(scoring_request_seconds_bucket[5m]))) "
            f"> {alerts.latency_p95_milliseconds / MILLISECONDS}",
            "PT5M",
            WARNING,
            "The slowest twentieth of the requests takes too long.",
        ),
        PrometheusRule(
            "scores-drifted",
            f"({score_drift('', '6h')}) > {alerts.score_drift}",
            "PT1H",
            WARNING,
            "The scores of the last six hours are distributed otherwise than those of training.",
        ),
        PrometheusRule(
            "not-watched",
            "count(last_over_time(scoring_model_info[1d])) unless count(scoring_model_info)",
            "PT10M",
            ERROR,
            "No pod shows its counts any more: none answers, or nobody can read them.",
        ),
        PrometheusRule(
            "telemetry-lost",
            "sum by (deployment, what, reason) (increase(scoring_losses_total[15m])) > 0",
            "PT15M",
            NOTICE,
            "Collected requests or traces do not reach their storage; callers notice nothing.",
        ),
    )


def score_drift(which: str, window: str) -> str:
    """The stability index of each deployment's scores against training's; none from too few rows.

    The dashboard asks the same (endpoints/grafana/scoring.json), `which` being its choice of deployments.
    """
    counted = f"increase(scoring_scores_total{which}[{window}])"
    every = f"sum by ({WHO}) ({counted})"
    live = f"clamp_min(sum by ({WHO}, band) ({counted}) / on ({WHO}) group_left () {every}, {SMALLEST_SHARE})"
    training = f"clamp_min(max by ({WHO}, band) (scoring_baseline_share{which}), {SMALLEST_SHARE})"
    apart = f"({live} - on ({WHO}, band) {training}) * on ({WHO}, band) ln({live} / on ({WHO}, band) {training})"
    return f"sum by ({WHO}) ({apart}) and on ({WHO}) {every} > {FEWEST_ROWS}"
