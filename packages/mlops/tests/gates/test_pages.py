"""Every report in a real browser: on a phone, on a desktop, in light and in dark. They share one frame."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from chromium import CONTRAST, PROGRAM, open_tab

from mlops.azure.service_health import Objective
from mlops.batch.score import BatchScoreResult, Outcome, keep_batch_report
from mlops.endpoint.view import Live
from mlops.gates.render import html_report
from mlops.models.explanation import ExplainedRow, ExplainResult, FeatureContribution, with_report
from mlops.models.facts import Subject, add_pull_request, commit_fact
from mlops.monitoring.measuring import MonitoringRequest, Results, nothing_collected
from mlops.monitoring.result import Monitored, write_report
from mlops.monitoring.verdict import judge_window
from mlops.promotion.gate_run import write_reports
from mlops.rollout.decide import Begin, Create, CreateEndpoint, EnterPhase, RollBack
from mlops.rollout.deploy import keep_rollout_report
from mlops.rollout.plan import Plan, Target
from mlops.rollout.run import Step
from mlops.settings.monitoring import MONITOR_FILE, read_monitor_rules
from mlops.settings.project import Project, load_project, read_project_schema
from mlops.settings.releases import SkippedPhase
from mlops.settings.stages import StageOrder
from mlops.tuning.report import Comparison, Trial
from mlops.tuning.report import write_report as write_tuning
from model_package.collected.window import Window
from model_package.measures import Interval, Measure
from model_package.monitoring.findings import Findings
from model_package.reports.figures import canvas, svg
from model_package.reports.pages import Fact, Section, keep_page, write_page
from model_package.steps.run import job_facts

ROOT: Final = Path(__file__).parents[4]
PACKAGES: Final = ROOT / "packages"
PHONE: Final = 360
WIDTHS: Final = (PHONE, 1200)
SUBJECT: Final = Subject("credit-default", "2", "sha256:" + "b" * 64, "credit-20260301-1", "d" * 40, "credit 7")
SERVICE: Final = {"failure_share": Measure(0.0), "latency_p99_milliseconds": Measure(20.0)}
# Tables whose last column cannot be seen: neither inside the page nor by scrolling what holds the table.
HIDDEN: Final = """[...document.querySelectorAll("table")].filter((table) => {
  const box = table.parentElement, scrolls = getComputedStyle(box).overflowX === "auto";
  return !scrolls && table.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
}).length"""
# Tables that must be scrolled.
SCROLLED: Final = """[...document.querySelectorAll(".wide")].filter((box) => box.scrollWidth > box.clientWidth + 1)
  .map((box) => box.innerText.slice(0, 40))"""


def test_reports_have_one_frame() -> None:
    templates = [
        each
        for each in (*PACKAGES.glob("*/src/**/*.j2"), *(ROOT / "components").glob("*/*.j2"))
        if each.name != "page.html.j2" and each.suffix == ".j2"
    ]

    assert len(templates) >= 6
    for each in templates:
        text = each.read_text(encoding="utf-8")
        assert text.startswith('{% extends "page.html.j2" %}'), each
        assert "<style" not in text, each
        # A table scrolls inside its card, so that the page never does.
        for table in re.findall(r".*<table", text):
            assert "wide" in table, f"{each}: {table}"


@pytest.mark.skipif(not PROGRAM.is_file(), reason="needs `apt-get install chromium`")
def test_every_report_reads_well_on_a_phone_and_in_the_dark(world: Any, recipe: Any, tmp_path: Path) -> None:
    pages = every_report(world, recipe, tmp_path)

    with open_tab() as tab:
        page = tab.page
        for name, file in pages.items():
            page.goto(file.as_uri())
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width} px"
                assert page.evaluate(HIDDEN) == 0, f"{name} at {width} px"
                # A phone shows the rows of a table as cards.
                assert page.evaluate(SCROLLED) == [], f"{name} must be scrolled at {width} px"
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate(CONTRAST) >= 4.5, f"too little contrast of {name} when {scheme}"
        assert tab.complaints == []
        assert all(address.startswith(("file://", "data:")) for address in tab.requests)


def test_a_report_says_what_it_is_about_and_leads_to_the_others(world: Any, tmp_path: Path) -> None:
    project = Project(root=tmp_path, settings=load_project(ROOT).settings)
    report = world.run(world.proposal())
    model, source = report.proposal.challenger.release.model, report.proposal.challenger.release.source
    training = tmp_path / ".mlops/reports" / f"{model.name}-{model.version}.html"
    keep_page(training, "<main><!-- facts --></main>", [])

    page = write_reports(project, report, None, None).html.read_text(encoding="utf-8")

    for fact in (f"{model.name} {model.version}", source.job, source.git_commit, source.data.version, "judged"):
        assert fact in page
    assert f'href="{training.name}"' in page
    assert 'href="index.html"' in page
    assert f'href="{training.name}"' in training.with_name("index.html").read_text(encoding="utf-8")


def test_every_report_names_model_job_commit_data_and_date(tmp_path: Path) -> None:
    for name, page in pages_of_commands(tmp_path).items():
        text = page.read_text(encoding="utf-8")
        # The package of these rollouts is not there, so nothing says where the model comes from.
        known = (SUBJECT.job, SUBJECT.commit, SUBJECT.data) if "roll" not in name and "release" not in name else ()
        for fact in (SUBJECT.model, SUBJECT.digest, *known, f"{datetime.now(UTC):%Y-%m-%d} "):
            assert fact in text, name


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("git@github.com:o/r.git", "https://github.com/o/r/commit/"),
        ("https://dev.azure.com/o/p/_git/r", "https://dev.azure.com/o/p/_git/r/commit/"),
        ("/srv/git/r.git", ""),
        ("", ""),
    ],
)
def test_a_commit_is_linked_where_the_remote_is_on_a_git_host(tmp_path: Path, remote: str, page: str) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    if remote:
        subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", remote], check=True)
    project = Project(root=tmp_path, settings=load_project(ROOT).settings)

    assert commit_fact(project, "d" * 40).link == (f"{page}{'d' * 40}" if page else "")
    assert commit_fact(project, "d" * 40 + "-dirty").value == "d" * 40 + "-dirty"
    assert commit_fact(project, "unknown").link == ""


def test_a_report_names_the_pull_request_that_is_opened_after_it(tmp_path: Path) -> None:
    page = keep_page(tmp_path / "gate.html", "<main><!-- facts --></main>", [Fact("model", "credit-default 2")])

    add_pull_request(page, "https://github.com/o/r/pull/7")

    assert page.read_text(encoding="utf-8") == (
        '<main><dl class="facts"><div><dt>model</dt><dd>credit-default 2</dd></div>'
        '<div><dt>more</dt><dd><a href="index.html">all reports</a></dd></div>'
        '<div><dt>pull request</dt><dd><a href="https://github.com/o/r/pull/7">7</a></dd></div></dl></main>'
    )


def test_the_facts_of_a_step_give_way_to_those_of_the_registered_model(tmp_path: Path) -> None:
    page = tmp_path / "validation.html"
    contexts = contexts_of_steps()["validate_data"]
    step = [Fact("data", "rows.csv"), *job_facts({"AZUREML_ROOT_RUN_ID": "job-1"})]
    write_page(page, ROOT / "components/validate_data/report.html.j2", contexts, step)
    before = page.read_text(encoding="utf-8")

    after = keep_page(page, before, [Fact("model", "credit-default 2")], listed=False).read_text(encoding="utf-8")

    assert "job-1" in before
    assert "ml.azure.com" not in before
    assert "credit-default 2" in after
    assert "job-1" not in after
    on_azure = {"MLFLOW_TRACKING_URI": "azureml://westeurope.api.azureml.ms/mlflow", "AZUREML_RUN_ID": "job-1"}
    assert job_facts(on_azure)[0].link.startswith("https://ml.azure.com/runs/job-1?wsid=/subscriptions/")


def test_what_a_report_is_about_is_text_and_its_addresses_run_nothing(tmp_path: Path) -> None:
    facts = [Fact("model", "<script>", "javascript:alert(1).html"), Fact("job", "j", "https://example.com/\"onload='")]

    page = keep_page(tmp_path / "report.html", "<!-- facts -->", facts, listed=False).read_text(encoding="utf-8")

    assert "<script>" not in page
    assert "javascript:" not in page
    assert "&#34;onload=" in page
    assert not (tmp_path / "index.html").exists()


def every_report(world: Any, recipe: Any, folder: Path) -> dict[str, Path]:
    """Every report as a file: of gates, monitoring and tuning, and of the steps that write one."""
    facts = [Fact("model", "late-payers 2"), Fact("commit", "a" * 40), Fact("digest", "sha256:" + "b" * 64)]
    proposal = world.proposal(recipe(weights=(0.0, 0.1, 0.4)))
    gates = {
        "a blocked gate": html_report(world.run(proposal)),
        "a first release": html_report(world.run(replace(proposal, champion=None))),
    }
    pages = {name: keep_page(folder / f"{name}.html", text, facts) for name, text in gates.items()}
    pages["tuning"] = write_tuning(folder / "tuning.html", many_trials(), facts)
    for name, findings in (("nothing collected", nothing_collected()), ("drift", drifted())):
        pages[name] = monitor_page(folder, name, findings)
    pages |= pages_of_commands(folder)
    for name, context in contexts_of_steps().items():
        pages[name] = folder / f"{name}.html"
        write_page(pages[name], ROOT / "components" / name / "report.html.j2", context)
    return pages


def many_trials() -> Comparison:
    names = ("learning_rate", "max_leaf_nodes", "min_samples_leaf", "l2_regularization", "max_bins", "early_stopping")
    trials = [Trial(at, f"t{at}", "Completed", dict.fromkeys(names, 0.0123 + at), 0.7 + at / 100) for at in range(8)]
    return Comparison("held_out_roc_auc", True, 0.7, tuple(trials))


def drifted() -> Findings:
    rules = read_monitor_rules(ROOT / MONITOR_FILE, StageOrder(("dev", "staging", "prod")), read_project_schema(ROOT))
    fine = Measure(0.5, reference=0.5, difference_interval=Interval(-0.01, 0.01))
    measures = {entry.measure: fine for entry in rules.rules}
    return Findings(rows=5_000, answered=5_000, labelled=0, files=3, versions={}, notes=["a note"], measures=measures)


def monitor_page(folder: Path, name: str, findings: Findings) -> Path:
    project = load_project(ROOT)
    rules = read_monitor_rules(ROOT / MONITOR_FILE, project.order, read_project_schema(ROOT))
    live = Live("blue", "2", "sha256:" + "c" * 64, "https://127.0.0.1:1/score", "/subscriptions/x")
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    stage = project.settings.stage("prod")
    request = MonitoringRequest("prod", stage, window, live, ("blue",), "", (), None, "models:/x/2", "f" * 16)
    figure, axes = canvas("A figure", "across", "up")
    axes.plot([0, 1], [0, 1])
    results = Results("monitor-prod-1", findings, {"drift": svg(figure)})
    verdict = judge_window(rules, "prod", findings, SERVICE)
    monitored = Monitored(request, "credit-default", results, SERVICE, verdict)
    return write_report(project, monitored, folder / f"{name}.html", SUBJECT)


def pages_of_commands(folder: Path) -> dict[str, Path]:
    """What `deploy`, `score --batch` and `explain` write: of a release, a failure, rejected files, and a prediction."""
    project = Project(root=folder, settings=load_project(ROOT).settings)
    stage = project.settings.stage("prod")
    plan = Plan("credit-default", "2", SUBJECT.digest, skipped_phases=(SkippedPhase("mirror", "no room for it"),))
    objective = Objective(150.0, 300.0, 0.01)
    target = Target(cast("Any", None), project, "prod", stage, plan, objective, 20.0, "models:/x", folder, None)
    reasons = (
        CreateEndpoint("there is no endpoint yet"),
        Begin("green is free; blue is live", "green", "blue"),
        Create("green will run credit-default 2", "green", "now", replaces=False),
        EnterPhase("SLO met with mirrored traffic: " + "21 requests, 0 failed, " * 4, "traffic-10", "green", "blue"),
        RollBack("SLO not met with 10 % of traffic: p95 latency 300 ms is over 150 ms", "blue"),
    )
    steps = [
        Step(datetime(2026, 3, 1, 9, at, tzinfo=UTC), each, {"blue": 90, "green": 10})
        for at, each in enumerate(reasons)
    ]
    released = keep_rollout_report(steps[:-1], target, "").replace(folder / "released.html")
    outcomes = (
        Outcome(file="march.csv", status="scored", rows=1_000, output="march.parquet"),
        Outcome(file="april.csv", status="set aside", reason="it lacks the column AGE", details=[{"row": 3}], total=1),
    )
    result = BatchScoreResult("files", "model-2", "2", "j", outcomes, folder, 3.0, SUBJECT, None)
    contributions = (FeatureContribution("PAY_0", 2, 0.3, 0.01), FeatureContribution("KIND", "new" * 20, -0.1, 0.01))
    row = ExplainedRow(0, {"probability": 0.4}, "probability 0.4, decision 1", 0.4, 0.2, contributions)
    explained = ExplainResult(SUBJECT.model, SUBJECT.digest, "probability", {}, 0.2, 512, (row,))
    report = with_report(project, explained, folder, SUBJECT).report
    assert report
    return {
        "a release": released,
        "a rollback": keep_rollout_report(steps, target, "SLO not met with 10 % of traffic"),
        "batch scoring": keep_batch_report(project, "prod", "rows/", result, "https://ml.azure.com/runs/j"),
        "an explanation": report,
    }


def contexts_of_steps() -> Mapping[str, Mapping[str, Any]]:
    """What the steps show, in the shape of their own code."""
    figure, axes = canvas("A figure", "across", "up")
    axes.plot([0, 1], [0, 1], label="a line")
    axes.legend()
    picture = svg(figure)
    value = SimpleNamespace(value=0.1234, low=0.1, high=0.2)
    metrics = [
        SimpleNamespace(name=f"metric_{at}", title="True positive rate", better="higher", meaning="Of those " * 9)
        for at in range(4)
    ]
    found = SimpleNamespace(rows=1_000, facts={"positives": 0.2}, metrics={each.name: value for each in metrics})
    evaluation = SimpleNamespace(
        rows=7_500,
        confidence=0.95,
        metrics={each.name: value for each in metrics},
        slices={"education": {"graduate school": found, "university": found}},
    )
    column = {"column": "AVERAGE_BILL_AMOUNT", "minimum": -165580.0, "median": 1.5, "mean": 1e6, "maximum": 1e9}
    problem = {"column": "AGE", "rule": "between 18 and 100", "count": 1_000, "samples": [{"row": 1, "AGE": "a" * 60}]}
    measure = {
        "state": "measured",
        "value": 0.123,
        "reference": 0.1,
        "low": 0.1,
        "high": 0.2,
        "details": ["AGE", "SEX"],
    }
    feature = {"name": "PAY_0", "drifted": True, "psi": 0.3, "chi_square": 900.0, "p_value": 1e-9, "missing": 12}
    return {
        "evaluate_model": {
            "evaluation": evaluation,
            "rounds": 1000,
            "headline": "A headline.",
            "sections": [Section("Ranking", "In words.", (picture, picture))],
            "tiles": metrics,
            "metrics": metrics,
            "subgroup_facts": {"positives": "positives"},
            "subgroup_metrics": metrics,
            "compared": metrics[0],
        },
        "validate_data": {
            "report": {
                "file": "credit-default-of-2026.csv",
                "valid": False,
                "rows": 30_000,
                "problems": [problem],
                "warnings": ["1 row equals another row"],
                "columns": [column | {"distinct": 10, "missing": 2}],
            }
        },
        "monitor_model": {
            "document": {
                "window": {"since": "2026-03-01T00:00:00+00:00", "until": "2026-03-02T00:00:00+00:00"},
                "rows": 5_000,
                "files": 3,
                "answered": 5_000,
                "labelled": 12,
                "notes": ["a note"],
                "measures": {"weighted_drift": measure, "rows": {"state": "nothing", "reason": "there are no rows"}},
                "features": [feature | {"weight": 0.3, "contribution": 0.4}],
            },
            "figures": {"drift": picture, "contribution": picture, "feature_PAY_0": picture, "score": picture},
        },
    }
