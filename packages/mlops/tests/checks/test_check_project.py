"""Every kind of mistake, planted alone in a clean project, is found once, at its line, by its name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml._utils.utils import load_yaml

from mlops.checks import CheckResult, Problem, check_project, fix_project
from mlops.checks.fingerprints import LOCK_NAME, lock_text
from mlops.checks.project import Project, versioned
from mlops.checks.yaml.document import Node, read_document
from mlops.core.errors import ProjectError
from mlops.core.results import Line

REPOSITORY = Path(__file__).parents[4]
TRAIN, DATA = "pipelines/train.yml", "data/rows.yml"
MISTAKES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("mistakes.yml").read_text())


def record_all(root: Path) -> None:
    """Accept the present content as that of its version, so that only the planted mistake is left."""
    for folder, items in versioned(Project(root)):
        (root / folder / LOCK_NAME).write_text(lock_text({each.name: {each.version: each.digest} for each in items}))


def test_a_sound_project_is_clean(project):
    assert check_project(project) == []


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_found_once_at_its_line(project, mistake):
    # given a project with one mistake
    path = project / mistake["file"]
    text = path.read_text()
    assert mistake["old"] in text
    text = text.replace(mistake["old"], mistake["new"], 1)
    for old, new in mistake.get("also", {}).items():
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    record_all(project)

    # when it is checked
    problems = check_project(project)

    # then that mistake is the only problem, with its place, its name and advice
    place = mistake.get("place", mistake["file"])
    assert [problem.file for problem in problems] == [place], problems
    (problem,) = problems
    assert mistake["says"] in problem.message
    assert mistake["line"] in (project / place).read_text().splitlines()[problem.line - 1]
    assert problem.advice
    assert problem.rule == mistake.get("rule", problem.rule)
    assert str(problem).startswith(f"{place}:{problem.line}: ")


def test_a_pipeline_component_is_checked_inside(project):
    (project / "components" / "both").mkdir()
    (project / "components" / "both" / "component.yml").write_text(
        "type: pipeline\nname: both\nversion: 1.0.0\n"
        "inputs:\n  data: {type: uri_file}\n"
        "outputs:\n  log: {type: uri_file}\n  made: {type: uri_folder}\n"
        "jobs:\n  make:\n    component: ../make/component.yml\n"
        "    inputs: {data: '${{parent.inputs.data}}', kind: slow}\n"
        "    outputs: {log: '${{parent.outputs.log}}', made: '${{parent.outputs.made}}'}\n"
    )
    record_all(project)

    (problem,) = check_project(project)

    assert (problem.file, problem.line) == ("components/both/component.yml", 12)
    assert "'slow' is not one of fast, exact" in problem.message


def test_a_project_without_its_pipeline_is_told(project):
    (project / TRAIN).unlink()

    problems = check_project(project)

    assert [(problem.file, problem.message) for problem in problems] == [(TRAIN, "there is no training pipeline")]


def test_two_components_of_one_name_and_version_are_told(project):
    (project / "components" / "remake").mkdir()
    for name in ("make.py", "component.yml"):
        (project / "components" / "remake" / name).write_bytes((project / "components" / "make" / name).read_bytes())
    record_all(project)

    (problem,) = check_project(project)

    assert (problem.file, problem.line) == ("components/remake/component.yml", 4)
    assert "version 1.0.0 of `make` is also declared by components/make/component.yml" in problem.message


def test_data_that_is_told_by_its_checksum_may_be_elsewhere(project):
    (project / "data" / "rows.csv").rename(project / "rows.csv")
    (project / TRAIN).write_text((project / TRAIN).read_text().replace("../data/rows.csv", "azureml:rows@latest"))
    (project / DATA).write_text((project / DATA).read_text() + "tags:\n  sha256: 1234\n")

    assert check_project(project) == []


def test_the_check_does_not_import_the_sdk_and_is_fast():
    code = (
        "import sys, time; start = time.process_time(); from pathlib import Path;"
        "from mlops.checks import check_project; check_project(Path(sys.argv[1]));"
        "assert not any(name.startswith('azure.ai') for name in sys.modules);"
        "print(time.process_time() - start)"
    )

    done = subprocess.run([sys.executable, "-c", code, str(REPOSITORY)], check=True, capture_output=True, text=True)

    # Of the processor, which others may share: as long as a person waits on a machine of their own.
    assert float(done.stdout) < 1


def test_this_repository_is_clean():
    assert check_project(REPOSITORY) == []


def test_fixing_a_clean_project_changes_nothing(project):
    assert fix_project(project) == []


PROJECT = """format: 1
name: rows
model: rows
data: rows
registry: rows-registry
stages:
  - {name: dev, subscription_id: 00000000-0000-0000-0000-000000000000, resource_group: rg, workspace: mlw-rows,
     compute: cpu-cluster, endpoint: rows-dev, instance_type: Standard_DS2_v2, instance_count: 1}
"""
SPOILED = ("components/make/component.yml", "outputs:", "  spare: {type: integer, default: 010}\noutputs:")


def rules_of(root: Path) -> set[tuple[str, str]]:
    return {(each.rule, each.level) for each in check_project(root) if each.file == SPOILED[0]}


def test_project_yml_says_how_strict_a_house_rule_is(project):
    path = project / SPOILED[0]
    path.write_text(path.read_text().replace(*SPOILED[1:], 1))
    record_all(project)

    by_default = rules_of(project)
    (project / "project.yml").write_text(PROJECT + "checks: {unused-input: off, plain-value: error}\n")
    chosen = rules_of(project)
    (project / "project.yml").write_text(PROJECT + "checks: {azure: off}\n")
    with pytest.raises(ProjectError) as refused:
        check_project(project)

    assert by_default == {("unused-input", "error"), ("plain-value", "warning")}
    assert chosen == {("plain-value", "error")}
    assert "checks.azure" in str(refused.value.details)


def test_the_command_says_whose_rule_is_broken_and_passes_with_warnings_alone():
    def result(*problems: Problem) -> tuple[int, list[str]]:
        found = CheckResult(Path(), problems, ())
        return found.exit_code, [block.text for block in found.blocks() if isinstance(block, Line)]

    warning = Problem("a.yml", 3, "odd", "write it otherwise", "plain-value", "warning")
    error = Problem("a.yml", 4, "wrong", "correct it")

    assert result(warning) == (
        0,
        ["a.yml:3: warning: odd → write it otherwise [house rule plain-value]", "all checks passed, 1 warning"],
    )
    assert result(warning, error)[0] == 1
    assert result(error)[1][0] == "a.yml:4: wrong → correct it [Azure]"


@pytest.mark.parametrize(
    "text",
    [
        "a: [yes, No, on, OFF, true, y]",
        "a: [0123, 0x1F, 0b11, 1_000, 12:30:45, +5, -7, 0o17]",
        "a: [1.5, .5, 1., 1.0e+3, 1:2.5, .inf, -.inf]",
        "a: ['no', \"010\", ~, null, '', text, 1.2.3]",
        "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 3\n  <<: [*x, *y]\n",
        "x: &x {a: 1}\ny: &y {a: 2}\nz: {<<: *x, <<: *y}\n",
        "a: 1\na: 2\nb: {c: 1, c: {d: 010}}\n",
        "a: |\n  no\nb: >-\n  010\nc: !!str no\n",
    ],
)
def test_values_are_those_that_the_sdk_reads(tmp_path, text):
    file = tmp_path / "a.yml"
    file.write_text(text)

    assert plain(read_document(file, tmp_path).root) == load_yaml(file)


def plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.entries.items()}
    return [plain(child) for child in node.elements] if isinstance(node.value, list) else node.value
