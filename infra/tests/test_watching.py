"""What is watched on Kubernetes: where it is on, what each alert says, and the alerts judged by Prometheus itself.

promtool comes with Debian's package `prometheus`; where it is not installed, the tests that ask it are skipped.
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

from prometheus_rules import score_drift
from rehearsal.records import Rehearsal
from rehearsal.run import rehearse
from rehearsal.stack_file import FOLDER
from roles import Role
from tests.conftest import STAGE_VARIANTS, changed, rehearsal_of

REPOSITORY = FOLDER.parent
RUNBOOKS = REPOSITORY / "docs" / "observability.md"
DASHBOARD = REPOSITORY / "endpoints" / "grafana" / "scoring.json"
GROUPS = "alertsmanagement:PrometheusRuleGroup"
ADDRESS = "https://github.com/example-org/credit-default/blob/main/docs/observability.md#"
# The variants whose cluster is read, and those that show it.
READ = {"dev-everything", "staging", "prod", "prod-told"}
SHOWN = READ - {"staging"}
METRIC = re.compile(r"\bscoring_\w+")
DURATION = re.compile(r"PT(\d+)([MH])")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="Debian's package `prometheus` is not installed"
)
# What a deployment counts: a good one, and one for each alert that should fire.
SELF = 'deployment="blue", model_version="3"'


def as_prometheus(rehearsal: Rehearsal) -> dict[str, Any]:
    """The rule groups that the program makes, in the form of Prometheus' own files."""
    return {"groups": [_group(record.inputs) for record in rehearsal.of(GROUPS)]}


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
    assert found, f"'{text}' is no whole number of minutes or hours"
    return f"{int(found.group(1))}{found.group(2).lower()}"


def promtool(folder: Path, rehearsal: Rehearsal, *arguments: str) -> str:
    (folder / "rules.yml").write_text(yaml.safe_dump(as_prometheus(rehearsal), width=10_000))
    ran = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def series(name: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"{name}{{{SELF}{', ' + labels if labels else ''}}}", "values": values}


def steady(bands: tuple[int, ...]) -> list[dict[str, str]]:
    """A deployment that answers, whose scores fall into three bands at these rates; training had them all alike."""
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


# A minute each: three hours in which one thing is wrong, and the alert that says so.
WRONG: dict[str, list[dict[str, str]]] = {
    "failed-requests": [
        *steady((9, 9, 9)),
        series("scoring_requests_total", 'status="500", source="callers"', "0+3x180"),
    ],
    "slow-requests": [
        *(each for each in steady((9, 9, 9)) if "seconds_bucket" not in each["series"]),
        series("scoring_request_seconds_bucket", 'le="0.3"', "0+30x180"),
        series("scoring_request_seconds_bucket", 'le="0.75"', "0+60x180"),
        series("scoring_request_seconds_bucket", 'le="+Inf"', "0+60x180"),
    ],
    "scores-drifted": steady((25, 1, 1)),
    "not-watched": [
        *(each for each in steady((9, 9, 9)) if "model_info" not in each["series"]),
        series("scoring_model_info", 'model="m", digest="d"', "1x90 stale"),
    ],
    "telemetry-lost": [
        *steady((9, 9, 9)),
        series("scoring_losses_total", 'what="traces", reason="refused"', "0+1x180"),
    ],
}
RIGHT = {
    "all is well": steady((9, 9, 9)),
    "scores a little elsewhere": steady((11, 9, 7)),
    # an index from a few rows is no drift
    "too few rows": steady((1, 0, 0)),
    # before the first deployment
    "nothing there": [series("up", "", "1x180")],
}


def judged(rehearsal: Rehearsal, folder: Path, inputs: list[dict[str, str]], firing: str | None) -> None:
    """Have promtool run the rules over three hours and compare which alerts fire at the end."""
    rules = [rule for group in as_prometheus(rehearsal)["groups"] for rule in group["rules"]]
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
    promtool(folder, rehearsal, "test", "rules", "test.yml")


@pytest.mark.parametrize("variant", STAGE_VARIANTS)
def test_pods_are_read_where_the_settings_say_so(variant: str) -> None:
    rehearsal = rehearsal_of(variant)
    kinds = (GROUPS, "monitor:AzureMonitorWorkspace", "monitor:DataCollectionRule", "monitor:DataCollectionEndpoint")
    there = {len(rehearsal.of(kind)) for kind in (*kinds, "monitor:DataCollectionRuleAssociation")}

    assert there == ({1} if variant in READ else {0})
    assert len(rehearsal.of("dashboard:Grafana")) == (1 if variant in SHOWN else 0)


def test_a_cluster_that_is_not_watched_is_not_read() -> None:
    rehearsal = rehearse("staging", changed("staging", {"kubernetes.watched": None}))

    cluster = rehearsal.one("containerservice:ManagedCluster")
    assert cluster.inputs["azureMonitorProfile"]["metrics"]["enabled"] is False
    assert not rehearsal.of(GROUPS)


def test_what_the_cluster_counts_reaches_the_store() -> None:
    rehearsal = rehearsal_of("prod")
    cluster, store = rehearsal.one("containerservice:ManagedCluster"), rehearsal.one("monitor:AzureMonitorWorkspace")
    rule = rehearsal.one("monitor:DataCollectionRule").inputs
    association = rehearsal.one("monitor:DataCollectionRuleAssociation").inputs

    assert cluster.inputs["azureMonitorProfile"]["metrics"]["enabled"] is True
    assert association["resourceUri"] == cluster.id
    assert association["dataCollectionRuleId"] == rehearsal.one("monitor:DataCollectionRule").id
    (destination,) = rule["destinations"]["monitoringAccounts"]
    assert destination["accountResourceId"] == store.id
    (flow,) = rule["dataFlows"]
    assert flow == {"streams": ["Microsoft-PrometheusMetrics"], "destinations": [destination["name"]]}
    assert rule["dataSources"]["prometheusForwarder"][0]["streams"] == flow["streams"]
    assert rehearsal.one(GROUPS).inputs["scopes"] == [store.id, cluster.id]


def test_grafana_may_read_before_it_is_there_and_nothing_else() -> None:
    rehearsal = rehearsal_of("prod")
    grafana = rehearsal.one("dashboard:Grafana")
    (identity,) = grafana.inputs["identity"]["userAssignedIdentities"]
    identities = {record.id: record for record in rehearsal.of("managedidentity:UserAssignedIdentity")}
    before = rehearsal.behind(grafana)

    rights = [right for right in rehearsal.of("authorization:RoleAssignment") if right.name.startswith("grafana-")]

    assert identities[identity].name == "identity-grafana"
    assert [(right.urn in before, right.inputs["scope"]) for right in rights] == [
        (True, rehearsal.one("monitor:AzureMonitorWorkspace").id)
    ]
    assert rights[0].inputs["roleDefinitionId"].endswith(Role.MONITORING_DATA_READER.id)


def test_every_alert_says_where_it_stands_what_to_do() -> None:
    headings = re.findall(r"^### (.+)$", RUNBOOKS.read_text(), re.MULTILINE)
    anchors = {heading.strip().lower().replace(" ", "-") for heading in headings}
    told: set[str] = set()
    for variant in STAGE_VARIANTS:
        rehearsal = rehearsal_of(variant)
        address = "https://github.com/o/r/blob/main/docs/observability.md#" if variant == "dev-everything" else ADDRESS
        for alert in rehearsal.of("monitor:MetricAlert"):
            name = alert.name.removeprefix("alert-")
            assert alert.inputs["description"].endswith(f"What to do: {address}{name}")
            told.add(name)
        for group in rehearsal.of(GROUPS):
            for rule in group.inputs["rules"]:
                assert rule["annotations"]["runbook_url"] == address + rule["alert"]
                assert rule["annotations"]["summary"]
                told.add(rule["alert"])

    assert told <= anchors, "docs/observability.md says nothing of an alert"
    assert anchors <= told, "docs/observability.md speaks of an alert that is none"


def test_a_fork_without_github_names_its_own_page() -> None:
    page = "https://dev.azure.com/o/p/_wiki/watching"
    devops = {"issuer": "https://login.example.com/v2.0", "subject": "sc://o/p/c"}
    config = changed("staging", {"ci": {"azure_devops": devops}, "alerts.runbooks": page})

    group = rehearse("staging", config).one(GROUPS)

    assert {rule["annotations"]["runbook_url"].split("#")[0] for rule in group.inputs["rules"]} == {page}


def test_every_alert_of_prometheus_tells_someone() -> None:
    rehearsal = rehearsal_of("prod")
    people = rehearsal.one("monitor:ActionGroup").id
    for rule in rehearsal.one(GROUPS).inputs["rules"]:
        assert [action["actionGroupId"] for action in rule["actions"]] == [people]


def test_limits_are_those_of_the_settings() -> None:
    changes = {
        "alerts.latency_p95_milliseconds": 120,
        "alerts.score_drift": 0.4,
        "alerts.failed_requests_per_minute": 7,
    }
    rules = rehearse("prod", changed("prod", changes)).one(GROUPS).inputs["rules"]

    limits = {rule["alert"]: rule["expression"].rsplit("> ", 1)[1] for rule in rules if "> " in rule["expression"]}

    assert (limits["slow-requests"], limits["scores-drifted"], limits["failed-requests"]) == ("0.12", "0.4", "7")


def test_alerts_ask_for_what_the_dashboard_shows() -> None:
    # the names of which are held against a real server: tests/endpoints/test_dashboard.py
    board = json.loads(DASHBOARD.read_text())
    asked = {panel["title"]: panel["targets"][0]["expr"] for panel in board["panels"]}
    shown = {name for panel in board["panels"] for each in panel["targets"] for name in METRIC.findall(each["expr"])}
    rules = rehearsal_of("prod").one(GROUPS).inputs["rules"]

    assert {name for rule in rules for name in METRIC.findall(rule["expression"])} <= shown
    assert asked["Score drift"] == score_drift('{deployment=~"$deployment"}', "$window")


@needs_promtool
@pytest.mark.parametrize("variant", ["dev-everything", "staging", "prod"])
def test_prometheus_takes_the_rules(variant: str, tmp_path: Path) -> None:
    told = promtool(tmp_path, rehearsal_of(variant), "check", "rules", "--lint-fatal", "rules.yml")

    assert "5 rules found" in told


@needs_promtool
@pytest.mark.parametrize("alert", WRONG)
def test_an_alert_fires_on_what_it_is_for_and_no_other_does(alert: str, tmp_path: Path) -> None:
    judged(rehearsal_of("prod"), tmp_path, WRONG[alert], alert)


@needs_promtool
@pytest.mark.parametrize("situation", RIGHT)
def test_no_alert_fires_without_need(situation: str, tmp_path: Path) -> None:
    judged(rehearsal_of("prod"), tmp_path, RIGHT[situation], None)


def test_every_alert_has_been_made_to_fire() -> None:
    assert set(WRONG) == {rule["alert"] for rule in rehearsal_of("prod").one(GROUPS).inputs["rules"]}
