"""Code of extensions/ that misbehaves while it is to judge: a failing gate with a name, and nothing else changes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops.gates.render import html_report, markdown_report
from mlops.gates.report import GateReport
from mlops.promotion.gate_run import gate_event, verdict_lines
from model_package.isolated_extensions import use_isolated_extensions
from model_package.tasks import extensions, use_extensions
from model_package.tasks.extensions import digest_of

ROOT = Path(__file__).parents[4]
COMMIT = "ab" * 20
GATES = """
format: 1
bootstrap: {rounds: 100, confidence: 0.95, seed: 7}
calibration_bins: 10
latency_calls: 100
recent_days: 7
recent_rows: 500
min_slice_size: {rows: 100, positives: 20}
slices: []
rules:
  - {measure: roc_auc, min: 0.7}
  - {measure: digest_differences, max: 0}
"""
# What a measure's code does, and what its gate says then.
BODIES = {
    "raises": ("return 1 / 0", "raises raised ZeroDivisionError: division by zero; correct the function"),
    "nothing": ("return None", "nothing returned None, which is not a number"),
    "not_a_number": ("return float('nan')", "is not a number"),
    "infinite": ("return -float('inf')", "is not a number"),
    "printing": ("print('PASS', flush=True); return 2.0", "2 is above 1"),
}
METRICS = """
from model_package.tasks import Metric
METRICS = [Metric("cost", "Cost", "lower", function=lambda target, answer, weights: target[len(target)])]
"""
# What code of the same process could do to change the verdict of others: nothing of them is loaded where it runs.
HOSTILE = """
import os, sys
import numpy
from model_package.measures import Measure
from model_package.tasks import GateMeasure

os.environ["PATH"] = ""
Measure.failed = classmethod(lambda cls, error: cls(0.0))
numpy.isfinite = lambda *_: True
for name, module in list(sys.modules.items()):
    if name.startswith(("mlops.gates", "mlops.settings", "sklearn.metrics")):
        for each in list(vars(module)):
            if callable(getattr(module, each)) and not each.startswith("__"):
                setattr(module, each, lambda *_, **__: 1.0)
# A name that tells what was found.
SECRETS = [name for name in os.environ if "SECRET" in name or "TOKEN" in name]

def own(package, rows):
    os._exit(len(SECRETS))

GATES = [GateMeasure("own", "Own", "lower", own)]
"""


TASK = """
import os
from model_package.tasks.binary_classification import BinaryClassification

class Churn(BinaryClassification):
    name = "churn"
    {}

TASKS = [Churn]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "extensions"
    folder.mkdir()
    yield folder
    use_extensions(tmp_path / "none")


def proposed(world: Any) -> Any:
    return replace(world.proposal(), champion=None, rules=COMMIT)


def judged(world: Any, proposal: Any, folder: Path, *own: str) -> GateReport:
    use_isolated_extensions(folder)
    rules = GATES + "".join(f"  - {{measure: {name}, max: 1}}\n" for name in own)
    return world.run(proposal, rules)


def outcomes(report: GateReport) -> dict[str, tuple[str, str]]:
    return {each.rule.measure: (each.outcome, each.sentence) for each in report.verdict.outcomes}


def test_each_measure_that_fails_is_a_failing_gate_of_its_own(folder: Path, world: Any) -> None:
    functions = "\n".join(f"def {name}(package, rows):\n    {body}" for name, (body, _) in BODIES.items())
    listed = ", ".join(f"GateMeasure({name!r}, {name!r}, 'lower', {name})" for name in BODIES)
    (folder / "measures.py").write_text(
        f"from model_package.tasks import GateMeasure\n{functions}\nGATES = [{listed}]\n"
    )
    (folder / "metrics.py").write_text(METRICS)

    report = judged(world, proposed(world), folder, "cost", *BODIES)

    found = outcomes(report)
    assert all(found[name][0] in ("error", "fail") and says in found[name][1] for name, (_, says) in BODIES.items())
    assert found["cost"][0] == "error"
    assert "cost raised IndexError" in found["cost"][1]
    # and the others are judged as ever
    assert found["roc_auc"][0] == found["digest_differences"][0] == "pass"
    assert not report.promotes


def test_code_that_ends_its_process_blocks_even_if_no_rule_names_it(
    folder: Path, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "a-secret")
    proposal = proposed(world)
    honest = judged(world, proposal, folder)
    path = os.environ["PATH"]
    (folder / "measures.py").write_text(HOSTILE)

    report = judged(world, proposal, folder)

    # then nothing of this process has changed, and the gate that blocks says what happened
    assert os.environ["PATH"] == path
    assert honest.promotes
    assert not report.promotes
    found = outcomes(report)
    assert found["roc_auc"] == outcomes(honest)["roc_auc"]
    assert found.keys() - outcomes(honest).keys() == {"extension_failures"}
    outcome, sentence = found["extension_failures"]
    assert outcome == "fail"
    assert "measures.py: extensions/ ended at own: its process ended with exit code 0" in sentence
    # and every report names what judged, and from where
    digest = digest_of({"measures.py": HOSTILE.encode()})
    assert report.document()["extensions"] == digest == extensions().digest
    assert gate_event(report).evidence["extensions"] == digest
    told = "\n".join(map(str, verdict_lines(report)))
    for text in (told, markdown_report(report), html_report(report)):
        assert digest in text
        assert f"as it was at {COMMIT[:12]}" in text


@pytest.mark.long
@pytest.mark.parametrize(
    ("member", "unmeasured"),
    [
        ("", set()),
        ("def represent(self, answer): os._exit(0)", {"score_drift", "extension_failures"}),
        (
            "def encode(self, values): return super().encode(values)[1:]",
            {"roc_auc", "score_drift", "extension_failures"},
        ),
    ],
    ids=["as its base", "ends", "loses a row"],
)
def test_a_task_of_ones_own_is_judged_from_its_process(
    member: str, unmeasured: set[str], folder: Path, world: Any
) -> None:
    (folder / "tasks.py").write_text(TASK.format(member))
    use_isolated_extensions(folder)
    proposal = world.proposal()
    file = proposal.challenger.folder / "schema.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "task": "churn"}))
    proposal = replace(
        proposal,
        challenger=world.promised(proposal.challenger.folder),
        champion=None,
        recent=world.held_out.drop("late"),
    )

    report = world.run(proposal, GATES + "  - {measure: score_drift, max: 1}\n")

    assert {each.rule.measure for each in report.verdict.blocking} == unmeasured
    # The report is written whatever the task does.
    assert report.headline in html_report(report)


def test_the_command_never_loads_them_itself() -> None:
    sources = (ROOT / "packages" / "mlops" / "src").rglob("*.py")

    found = [file.name for file in sources if re.search(r"\b(use|load)_extensions\b", file.read_text(encoding="utf-8"))]

    assert found == []
