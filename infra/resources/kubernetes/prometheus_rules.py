"""The Prometheus alerts on the scoring pods, as a table: every alert with its expression and its limit.

metrics.py declares the resources. The names of metrics are those of endpoints/online/metrics.py; the runbook of an
alert is in docs/observability.md under its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from settings.stage import StageSettings

ERROR, WARNING, NOTICE = 1, 2, 3
MILLISECONDS = 1000
# With fewer rows there is no verdict, as in releases/monitor.yml.
MIN_ROWS = 500
MIN_SHARE = 0.0001
BY = "deployment, model_version"


@dataclass(frozen=True)
class PrometheusRule:
    """One alert: it fires when the expression has had a result for `for_` (ISO 8601)."""

    name: str
    expression: str
    for_: str
    severity: int
    summary: str


METRICS_MISSING = PrometheusRule(
    "metrics-missing",
    "count(last_over_time(scoring_model_info[1d])) unless count(scoring_model_info)",
    "PT10M",
    ERROR,
    "No pod exposes its metrics any more: none is running, or they cannot be scraped.",
)
TELEMETRY_LOST = PrometheusRule(
    "telemetry-lost",
    "sum by (deployment, what, reason) (increase(scoring_losses_total[15m])) > 0",
    "PT15M",
    NOTICE,
    "Collected requests or traces do not reach their storage; callers are not affected.",
)


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
            "A deployment returns server errors.",
        ),
        PrometheusRule(
            "slow-requests",
            "histogram_quantile(0.95, sum by (deployment, le) (rate(scoring_request_seconds_bucket[5m]))) "
            f"> {alerts.latency_p95_milliseconds / MILLISECONDS}",
            "PT5M",
            WARNING,
            "The 95th percentile of the latency is too high.",
        ),
        PrometheusRule(
            "scores-drifted",
            f"({score_drift('', '6h')}) > {alerts.score_drift}",
            "PT1H",
            WARNING,
            "The scores of the last six hours are distributed differently from those of training.",
        ),
        METRICS_MISSING,
        TELEMETRY_LOST,
    )


def score_drift(selector: str, window: str) -> str:
    """The population stability index of each deployment's scores against training's; none from too few rows.

    The dashboard has the same query (endpoints/grafana/scoring.json), with `selector` for its choice of deployments.
    """
    counted = f"increase(scoring_scores_total{selector}[{window}])"
    rows = f"sum by ({BY}) ({counted})"
    live = f"clamp_min(sum by ({BY}, band) ({counted}) / on ({BY}) group_left () {rows}, {MIN_SHARE})"
    training = f"clamp_min(max by ({BY}, band) (scoring_baseline_share{selector}), {MIN_SHARE})"
    terms = f"({live} - on ({BY}, band) {training}) * on ({BY}, band) ln({live} / on ({BY}, band) {training})"
    return f"sum by ({BY}) ({terms}) and on ({BY}) {rows} > {MIN_ROWS}"
