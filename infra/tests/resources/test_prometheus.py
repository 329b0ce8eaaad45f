"""Monitoring on Kubernetes: where it is on, the text of each alert, and the alerts evaluated by Prometheus itself.

promtool comes with Debian's package `prometheus`; without it, the tests that run it are skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dry_run.result import DryRun
from dry_run.stack_files import FOLDER
from resources.kubernetes.prometheus_rules import score_drift
from roles import Role
from tests.conftest import STAGE_VARIANTS, dry_run_of, run_changed

REPOSITORY = FOLDER.parent
RUNBOOKS = REPOSITORY / "docs" / "observability.md"
DASHBOARD = REPOSITORY / "endpoints" / "grafana" / "scoring.json"
GROUPS = "alertsmanagement:PrometheusRuleGroup"
ADDRESS = "https://github.com/example-org/credit-default/blob/main/docs/observability.md#"
# The variants whose cluster is scraped, and those with a Grafana.
SCRAPED = {"dev-everything", "staging", "prod", "prod-drift"}
WITH_GRAFANA = SCRAPED - {"staging"}
METRIC = re.compile(r"\bscoring_\w+")
DURATION = re.compile(r"PT(\d+)([MH])")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs `apt-get install prometheus`")
SELF = 'deployment="blue", model_version="3"'


def as_prometheus(run: DryRun) -> dict[str, Any]:
    """The rule groups that the program declares, in the form of Prometheus' own files."""
    return {"groups": [_group(record.inputs) for record in run.of(GROUPS)]}


def _group(inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": inputs["ruleGroupName"],
        "interval": _duration(inputs["interval"]),
        "rules": [
            {
                "alert": rule["alert"],
                "expr": rule["expression"],
                "for": _duration(rule["for"]),
                "annotations": rule["annotations"],
            }
            for rule in inputs["rules"]
        ],
    }


def _duration(text: str) -> str:
    found = DURATION.fullmatch(text)
    assert found, f"'{text}' is not a whole number of minutes or hours"
    return f"{int(found.group(1))}{found.group(2).lower()}"


def promtool(folder: Path, run: DryRun, *arguments: str) -> str:
    (folder / "rules.yml").write_text(yaml.safe_dump(as_prometheus(run), width=10_000))
    ran = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def series(name: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"{name}{{{SELF}{', ' + labels if labels else ''}}}", "values": values}


def healthy(bands: tuple[int, ...]) -> list[dict[str, str]]:
    """A healthy deployment whose scores fall into three bands at these rates; in training they were equal."""
    shares = [series("scoring_baseline_share", f'band="{band}"', "0.3333x180") for band in range(3)]
    scores = [series("scoring_scores_total", f'band="{band}"', f"0+{rate}x180") for band, rate in enumerate(bands)]
    return [
        series("scoring_model_info", 'model="m", digest="d"', "1x180"),
        series("scoring_requests_total", 'status="200", source="callers"', "0+60x180"),
        series("scoring_requests_total", 'status="400", source="callers"', "0+60x180"),
        series("scoring_request_seconds_bucket", 'le="0.1"', "0+60x180"),
        series("scoring_request_seconds_bucket", 'le="+Inf"', "0+60x180"),
        *shares,
        *scores,
    ]


# One value per minute: three hours with one fault, by the alert that should fire.
FAULTS: dict[str, list[dict[str, str]]] = {
    "failed-requests": [
        *healthy((9, 9, 9)),
        series("scoring_requests_total", 'status="500", source="callers"', "0+3x180"),
    ],
    "slow-requests": [
        *(each for each in healthy((9, 9, 9)) if "seconds_bucket" not in each["series"]),
        series("scoring_request_seconds_bucket", 'le="0.3"', "0+30x180"),
        series("scoring_request_seconds_bucket", 'le="0.75"', "0+60x180"),
        series("scoring_request_seconds_bucket", 'le="+Inf"', "0+60x180"),
    ],
    "scores-drifted": healthy((25, 1, 1)),
    "metrics-missing": [
        *(each for each in healthy((9, 9, 9)) if "model_info" not in each["series"]),
        series("scoring_model_info", 'model="m", digest="d"', "1x90 stale"),
    ],
    "telemetry-lost": [
        *healthy((9, 9, 9)),
        series("scoring_losses_total", 'what="traces", reason="refused"', "0+1x180"),
    ],
}
NO_FAULTS = {
    "healthy": healthy((9, 9, 9)),
    "small shift of the scores": healthy((11, 9, 7)),
    # with a few rows there is no verdict
    "too few rows": healthy((1, 0, 0)),
    # before the first deployment
    "no deployment": [series("up", "", "1x180")],
}


def evaluate(run: DryRun, folder: Path, inputs: list[dict[str, str]], firing: str | None) -> None:
    """Evaluate the rules over three hours with promtool, and compare which alerts fire at the end."""
    rules = [rule for group in as_prometheus(run)["groups"] for rule in group["rules"]]
    expected = [
        {"eval_time": "3h", "alertname": rule["alert"], "exp_alerts": []} for rule in rules if rule["alert"] != firing
    ]
    queries = [
        {"expr": f'count(ALERTS{{alertname="{firing}",alertstate="firing"}})', "eval_time": "3h"}
        | {"exp_samples": [{"labels": "{}", "value": 1}]}
    ]
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": expected}
    if firing is not None:
        test["promql_expr_test"] = queries
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(yaml.safe_dump(document, width=10_000))
    promtool(folder, run, "test", "rules", "test.yml")


@pytest.mark.parametrize("variant", STAGE_VARIANTS)
def test_pods_are_scraped_where_the_settings_say_so(variant: str) -> None:
    run = dry_run_of(variant)
    counts = {len(run.of(kind)) for kind in (GROUPS, "monitor:AzureMonitorWorkspace", "monitor:DataCollectionEndpoint")}

    assert counts == ({1} if variant in SCRAPED else {0})
    associations = {record.name for record in run.of("monitor:DataCollectionRuleAssociation")}
    assert ("metrics-of-the-cluster" in associations) == (variant in SCRAPED)
    assert len(run.of("dashboard:Grafana")) == (1 if variant in WITH_GRAFANA else 0)


def test_a_cluster_without_prometheus_is_not_scraped() -> None:
    run = run_changed("staging", {"kubernetes.prometheus": None})

    cluster = run.one("containerservice:ManagedCluster")
    assert cluster.inputs["azureMonitorProfile"]["metrics"]["enabled"] is False
    assert not run.of(GROUPS)


def test_the_clusters_metrics_reach_the_store() -> None:
    run = dry_run_of("prod")
    cluster, store = run.one("containerservice:ManagedCluster"), run.one("monitor:AzureMonitorWorkspace")
    rule = run.one("monitor:DataCollectionRule", "metrics-rule")
    association = run.one("monitor:DataCollectionRuleAssociation", "metrics-of-the-cluster").inputs

    assert cluster.inputs["azureMonitorProfile"]["metrics"]["enabled"] is True
    assert association["resourceUri"] == cluster.id
    assert association["dataCollectionRuleId"] == rule.id
    (destination,) = rule.inputs["destinations"]["monitoringAccounts"]
    assert destination["accountResourceId"] == store.id
    (flow,) = rule.inputs["dataFlows"]
    assert flow == {"streams": ["Microsoft-PrometheusMetrics"], "destinations": [destination["name"]]}
    assert rule.inputs["dataSources"]["prometheusForwarder"][0]["streams"] == flow["streams"]
    assert run.one(GROUPS).inputs["scopes"] == [store.id, cluster.id]


def test_grafana_may_read_the_metrics_before_it_is_created_and_nothing_else() -> None:
    run = dry_run_of("prod")
    grafana = run.one("dashboard:Grafana")
    (identity,) = grafana.inputs["identity"]["userAssignedIdentities"]
    identities = {record.id: record for record in run.of("managedidentity:UserAssignedIdentity")}
    before = run.dependencies_of(grafana)

    rights = [right for right in run.of("authorization:RoleAssignment") if right.name.startswith("grafana-")]

    assert identities[identity].name == "identity-grafana"
    assert [(right.urn in before, right.inputs["scope"]) for right in rights] == [
        (True, run.one("monitor:AzureMonitorWorkspace").id)
    ]
    assert rights[0].inputs["roleDefinitionId"].endswith(Role.MONITORING_DATA_READER.id)


def test_every_alert_links_to_its_runbook() -> None:
    headings = re.findall(r"^### (.+)$", RUNBOOKS.read_text(), re.MULTILINE)
    anchors = {heading.strip().lower().replace(" ", "-") for heading in headings}
    linked: set[str] = set()
    for variant in STAGE_VARIANTS:
        run = dry_run_of(variant)
        address = "https://github.com/o/r/blob/main/docs/observability.md#" if variant == "dev-everything" else ADDRESS
        for alert in (*run.of("monitor:MetricAlert"), *run.of("monitor:ScheduledQueryRule")):
            name = alert.name.removeprefix("alert-")
            assert alert.inputs["description"].endswith(f"Runbook: {address}{name}")
            linked.add(name)
        for group in run.of(GROUPS):
            for rule in group.inputs["rules"]:
                assert rule["annotations"]["runbook_url"] == address + rule["alert"]
                assert rule["annotations"]["summary"]
                linked.add(rule["alert"])

    assert linked <= anchors, "docs/observability.md has no runbook for an alert"
    assert anchors <= linked, "docs/observability.md has a runbook for an alert that does not exist"


def test_a_fork_without_github_names_its_own_page() -> None:
    page = "https://dev.azure.com/o/p/_wiki/observability"
    devops = {"issuer": "https://login.example.com/v2.0", "subject": "sc://o/p/c"}

    group = run_changed("staging", {"ci": {"azure_devops": devops}, "alerts.runbooks": page}).one(GROUPS)

    assert {rule["annotations"]["runbook_url"].split("#")[0] for rule in group.inputs["rules"]} == {page}


def test_every_prometheus_alert_notifies_the_action_group() -> None:
    run = dry_run_of("prod")
    action_group = run.one("monitor:ActionGroup").id
    for rule in run.one(GROUPS).inputs["rules"]:
        assert [action["actionGroupId"] for action in rule["actions"]] == [action_group]


def test_limits_are_those_of_the_settings() -> None:
    changes = {
        "alerts.latency_p95_milliseconds": 120,
        "alerts.score_drift": 0.4,
        "alerts.failed_requests_per_minute": 7,
    }
    rules = run_changed("prod", changes).one(GROUPS).inputs["rules"]

    limits = {rule["alert"]: rule["expression"].rsplit("> ", 1)[1] for rule in rules if "> " in rule["expression"]}

    assert (limits["slow-requests"], limits["scores-drifted"], limits["failed-requests"]) == ("0.12", "0.4", "7")


@pytest.mark.skipif(not DASHBOARD.is_file(), reason="nothing is served online")
def test_alerts_use_the_metrics_of_the_dashboard() -> None:
    # whose metrics are compared with a real server's: tests/endpoints/test_dashboard.py
    board = json.loads(DASHBOARD.read_text())
    queries = {panel["title"]: panel["targets"][0]["expr"] for panel in board["panels"]}
    shown = {name for panel in board["panels"] for each in panel["targets"] for name in METRIC.findall(each["expr"])}
    rules = dry_run_of("prod").one(GROUPS).inputs["rules"]

    assert {name for rule in rules for name in METRIC.findall(rule["expression"])} <= shown
    assert queries["Prediction drift"] == score_drift('{deployment=~"$deployment"}', "$window")


@needs_promtool
@pytest.mark.parametrize("variant", ["dev-everything", "staging", "prod"])
def test_prometheus_accepts_the_rules(variant: str, tmp_path: Path) -> None:
    output = promtool(tmp_path, dry_run_of(variant), "check", "rules", "--lint-fatal", "rules.yml")

    assert "5 rules found" in output


@needs_promtool
@pytest.mark.parametrize("alert", FAULTS)
def test_each_fault_fires_its_alert_and_no_other(alert: str, tmp_path: Path) -> None:
    evaluate(dry_run_of("prod"), tmp_path, FAULTS[alert], alert)


@needs_promtool
@pytest.mark.parametrize("situation", NO_FAULTS)
def test_no_alert_fires_without_a_fault(situation: str, tmp_path: Path) -> None:
    evaluate(dry_run_of("prod"), tmp_path, NO_FAULTS[situation], None)


def test_every_alert_is_tested_with_a_fault() -> None:
    assert set(FAULTS) == {rule["alert"] for rule in dry_run_of("prod").one(GROUPS).inputs["rules"]}
