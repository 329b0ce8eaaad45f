"""gates.yml: the template's own, and every rule that could not block, refused with file and line."""

from pathlib import Path

import pytest

from mlops.core.errors import ProjectError
from mlops.settings.gates import GATES_FILE, read_gates
from mlops.settings.project import read_project_schema
from mlops.settings.stages import StageOrder
from mlops.settings.verdict import number
from model_package.schema import Feature, Schema, Slice, Subgroup

ORDER = StageOrder(("dev", "staging", "prod"))
SCHEMA = Schema(
    identifier="id",
    target="late",
    features=(Feature("kind", categories=(1, 2)),),
    slices=(Slice("kind", "kind", (Subgroup("first", (1,)), Subgroup("second", (2,)))),),
)

ROOT = Path(__file__).parents[4]
HEAD = """\
format: 1
bootstrap: {rounds: 1000, confidence: 0.95, seed: 7}
calibration_bins: 10
latency_calls: 500
recent_days: 7
recent_rows: 500
min_slice_size: {rows: 100, positives: 20}
slices: [kind]
rules:
"""
RULE_LINE = 10


def gates(tmp_path: Path, rule: str, head: str = HEAD) -> Path:
    file = tmp_path / "gates.yml"
    file.write_text(f"{head}  - {{{rule}}}\n")
    return file


def test_the_templates_gates_ask_something_of_every_stage() -> None:
    found = read_gates(ROOT / GATES_FILE, ORDER, read_project_schema(ROOT))

    for stage in ORDER.names:
        asked = {rule.measure for rule in found.rules_at(stage)}
        assert {"digest_differences", "schema_breaks", "roc_auc", "golden_difference"} <= asked
    assert all(rule.why for rule in found.rules)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("measure: brier, why: x", "needs bounds under either"),
        ("measure: brier, why: x, every_stage: {}", "has no bound"),
        ("measure: brier, why: x, every_stage: {max: null}", "has no bound"),
        (
            "measure: brier, why: x, stages: {dev: null, staging: null, prod: null}",
            "has no bound at any stage",
        ),
        ("measure: brier, why: x, stages: {dev: {max: 1}, staging: {max: 1}}", "stages: has no entry for prod"),
        ("measure: brier, why: x, stages: {dev: null, stagin: null, prod: {max: 1}}", "did you mean 'staging'?"),
        (
            "measure: brier, why: x, every_stage: {max: 1}, stages: {dev: null, staging: null, prod: null}",
            "either",
        ),
        ("measure: brier, every_stage: {max: 0.2}", "why: is missing"),
        ("measure: brier, why: '', every_stage: {max: 0.2}", "rules.0.why"),
        ("measure: brier, why: x, every_stage: {maximum: 0.2}", "unknown key (did you mean 'max'?)"),
        ("measure: brier, why: x, every_stage: {max: .nan}", "finite"),
        ("measure: brier, why: x, every_stage: {max: .inf}", "finite"),
        ("measure: brier, why: x, every_stage: {max: '0.2'}", "number"),
        ("measure: brier, why: x, every_stage: {min: 0.3, max: 0.2}", "nothing could pass"),
        ("measure: roc_auk, why: x, every_stage: {min: 0.7}", "unknown measure 'roc_auk' (did you mean 'roc_auc'?)"),
        ("measure: selection_rate_difference, why: x, every_stage: {max: 1}", "unknown measure"),
        ("measure: selection_rate_difference.sex, why: x, every_stage: {max: 1}", "unknown measure"),
        ("measure: roc_auc, why: x, no_champion: pass, every_stage: {max_rise: 0.1}", "would never block"),
        ("measure: brier, why: x, no_champion: pass, every_stage: {max_drop: 0.1}", "would never block"),
        ("measure: brier, why: x, no_champion: pass, every_stage: {max_rise: -0.1}", "greater than"),
        (
            "measure: score_drift, why: x, no_champion: pass, every_stage: {max_rise: 0.1}",
            "no champion's value",
        ),
        ("measure: brier, why: x, every_stage: {max_rise: 0.1}", "no_champion"),
        ("measure: schema_breaks, why: x, every_stage: {max: 0}", "no_champion"),
        ("measure: brier, why: x, no_champion: ignore, every_stage: {max_rise: 0.1}", "'pass' or 'fail'"),
        ("measure: brier, why: x, every_stage: {max: 1}, pyfunc: {max: 2}", "remove `pyfunc`"),
        ("measure: package_megabytes, why: x, every_stage: {max: 1}, pyfunc: {}", "has no bound"),
        ("measure: package_megabytes, why: x, every_stage: {max: 1}, pyfunc: {max_ratio: 2}", "no_champion"),
        (
            "measure: brier, why: x, stages: {dev: null, staging: {max: 1}, prod: {max: 1}}",
            "dev has no rules",
        ),
    ],
)
def test_a_rule_that_could_not_block_is_refused(tmp_path: Path, rule: str, says: str) -> None:
    with pytest.raises(ProjectError) as refused:
        read_gates(gates(tmp_path, rule), ORDER, SCHEMA)

    sentences = "\n".join(refused.value.details)
    assert says in sentences
    assert "gates.yml:" in sentences
    assert refused.value.advice


def test_the_line_of_the_rule_is_named(tmp_path: Path) -> None:
    good = "  - {measure: brier, why: x, every_stage: {max: 1}}\n"
    file = gates(tmp_path, "measure: roc_auk, why: x, every_stage: {min: 0.7}", HEAD + good)

    with pytest.raises(ProjectError) as refused:
        read_gates(file, ORDER, SCHEMA)

    assert refused.value.details[0].startswith(f"gates.yml:{RULE_LINE + 1}: rules.1.measure: ")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("slices: [kind]", "slices: [kind, sex]", "schema.yml defines no slice 'sex'; it defines kind"),
        ("slices: [kind]", "groups: {kind: {}}", "groups: is called `slices` since format 1"),
        ("min_slice_size", "smallest_band", "smallest_band: is called `min_slice_size` since format 1"),
        ("rounds: 1000", "rounds: 10", "greater than or equal to 100"),
        ("confidence: 0.95", "confidence: 95", "less than 1"),
        ("recent_rows", "resent_rows", "unknown key"),
    ],
)
def test_other_settings_are_checked_too(tmp_path: Path, old: str, new: str, says: str) -> None:
    rule = "measure: brier, why: x, every_stage: {max: 1}"

    with pytest.raises(ProjectError) as refused:
        read_gates(gates(tmp_path, rule, HEAD.replace(old, new)), ORDER, SCHEMA)

    assert says in "\n".join(refused.value.details)


def test_a_measure_has_one_rule(tmp_path: Path) -> None:
    rule = "measure: brier, why: x, every_stage: {max: 1}"

    with pytest.raises(ProjectError) as refused:
        read_gates(gates(tmp_path, rule, f"{HEAD}  - {{{rule}}}\n"), ORDER, SCHEMA)

    assert "more than one rule" in refused.value.details[0]


def test_a_stage_gets_its_own_bounds_and_a_zero_bound_is_a_bound(tmp_path: Path) -> None:
    file = gates(
        tmp_path, "measure: schema_breaks, why: x, no_champion: pass, stages: "
        "{dev: {max: 3}, staging: {max: 0}, prod: {max: 0}}"
    )  # fmt: skip

    found = read_gates(file, ORDER, SCHEMA)

    assert [found.rules_at(stage)[0].bounds.max for stage in ORDER.names] == [3, 0, 0]


def test_a_model_without_onnx_has_bounds_of_its_own_where_the_rule_is_on(tmp_path: Path) -> None:
    rule = (
        "measure: package_megabytes, why: x, stages: {dev: {max: 1}, staging: {max: 2}, prod: null}, pyfunc: {max: 9}"
    )
    file = gates(tmp_path, f"{rule}}}\n  - {{measure: brier, why: x, every_stage: {{max: 1}}")

    found = read_gates(file, ORDER, SCHEMA)

    by_runtime = {
        runtime: [[each.bounds.max for each in found.rules_at(stage, runtime)] for stage in ORDER.names]
        for runtime in ("onnx", "pyfunc")
    }
    assert by_runtime == {"onnx": [[1, 1], [2, 1], [1]], "pyfunc": [[9, 1], [9, 1], [1]]}


@pytest.mark.parametrize(
    ("value", "text"), [(0.00001, "0.00001"), (-0.000073, "-0.000073"), (0.7843, "0.7843"), (9.9e-11, "9.9e-11")]
)
def test_small_numbers_are_written_without_powers_of_ten(value: float, text: str) -> None:
    assert number(value) == text
