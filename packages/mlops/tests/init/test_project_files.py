"""`mlops init` in a project in git: what it writes, that a real step accepts it, and that nothing is lost."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from project_in_git import Init, commit, git
from table_files import DIALECTS, text

from mlops.core.errors import InputError
from mlops.init.project_files import InitOptions, example_options, init_project
from mlops.settings.project import load_project, read_project_schema

ROOT = Path(__file__).parents[4]
GENERATED = ["data/churn_2026.csv", "data/churn_2026.yml", "endpoints/online/sample-request.json", "schema.yml"]
EXAMPLE = ["data/credit_default.yml", "data/generate_sample.py", "data/shift_rows.py"]
WRITTEN = [*GENERATED, "data/.gitignore", "data/README.md", *EXAMPLE, "project.yml"]


def test_it_writes_the_files_that_follow_from_the_table(folder: Path, churn: Path, init: Init) -> None:
    result = init(churn)

    assert [str(edit.path) for edit in result.edits] == WRITTEN
    schema = read_project_schema(folder)
    assert (schema.identifier, schema.target, schema.names) == ("customer", "churned", ("months", "Größe"))
    settings = load_project(folder).settings
    assert (settings.name, settings.model, settings.data) == ("churn-2026",) * 3
    asset = yaml.safe_load((folder / "data/churn_2026.yml").read_text())
    data = (folder / "data/churn_2026.csv").read_bytes()
    assert (asset["path"], asset["tags"]["sha256"]) == ("churn_2026.csv", hashlib.sha256(data).hexdigest())
    assert asset["tags"]["source_sha256"] == hashlib.sha256(churn.read_bytes()).hexdigest()
    request = json.loads((folder / "endpoints/online/sample-request.json").read_text())
    assert list(request["input_data"][0]) == ["months", "Größe"]
    assert git(folder, "status", "--porcelain").split("\n")[-2:] == ["?? .init.yml", "?? data/churn_2026.yml"]


def test_the_step_that_validates_data_accepts_what_it_wrote(folder: Path, init: Init, tmp_path: Path) -> None:
    # given a table with a column of each kind that is trained on, missing values, and rows without a target
    rows = {
        "plan": [("Basic", "Month-to-month", None)[row % 3] for row in range(600)],
        "paid": [("Y", "N")[row % 2] for row in range(600)],
        "größe, m²": [None if row % 7 == 0 else row * 1.5 for row in range(600)],
        "visits": [row * 7919 % 113 for row in range(600)],
        "churned": [("yes", "no", "no", None)[row % 4] for row in range(600)],
    }
    init(DIALECTS["decimal comma"].write(rows, tmp_path / "mixed.csv"))

    # when
    step = [sys.executable, str(ROOT / "components/validate_data/validate_data.py")]
    files = ["--data", str(folder / "data/mixed.csv"), "--schema", str(folder / "schema.yml")]
    out = ["--validated-data", str(tmp_path / "rows"), "--validation-report", str(tmp_path / "report")]
    done = subprocess.run([*step, *files, *out], capture_output=True, text=True, check=False, cwd=tmp_path)

    # then
    assert done.returncode == 0, done.stderr
    assert "450 rows are valid" in done.stdout
    assert [feature.type for feature in read_project_schema(folder).features] == [
        *("category", "boolean", "number", "integer")
    ]


def test_every_byte_of_project_yml_stays_but_the_names(folder: Path, churn: Path, init: Init) -> None:
    before = (folder / "project.yml").read_text().splitlines()

    init(churn, name="who-leaves")

    after = (folder / "project.yml").read_text().splitlines()
    changed = [line.partition("#")[0].strip() for line, old in zip(after, before, strict=True) if line != old]
    assert all("who-leaves" in line for line in changed)
    assert changed[:4] == ["name: who-leaves", "model: who-leaves", "data: who-leaves", "registry: mlr-who-leaves"]
    assert "batch_endpoint: who-leaves-staging-files" in changed
    assert len(changed) == 16


def test_a_dry_run_writes_nothing_and_shows_the_difference(folder: Path, churn: Path, init: Init) -> None:
    result = init(churn, is_dry_run=True)

    assert git(folder, "status", "--porcelain") == ""
    shown = "\n".join(str(block) for block in result.blocks())
    assert "-target: default" in shown
    assert "+target: churned" in shown
    assert "nothing was written" in shown


def test_a_second_run_has_nothing_to_do(folder: Path, churn: Path, init: Init) -> None:
    init(churn)

    again = init(churn)

    assert again.edits == ()
    assert "nothing to do" in str(again.blocks())


def test_changes_that_are_not_committed_are_kept_unless_forced(folder: Path, churn: Path, init: Init) -> None:
    (folder / "schema.yml").write_text((folder / "schema.yml").read_text() + "# mine\n")

    with pytest.raises(InputError) as refused:
        init(churn)

    assert "uncommitted changes" in refused.value.message
    assert "schema.yml" in refused.value.message
    assert "--force" in refused.value.advice
    assert git(folder, "status", "--porcelain") == "M schema.yml"
    assert init(churn, is_forced=True).is_written


def test_an_interrupted_run_is_continued(folder: Path, churn: Path, init: Init) -> None:
    # given what an interrupted run leaves: files that are not replaced yet, and a record of both texts
    init(churn)
    missing = ["endpoints/online/sample-request.json", "project.yml"]
    record = yaml.safe_load((folder / ".init.yml").read_text())
    for name in missing:
        git(folder, "checkout", name)
        record["written"][name].append(hashlib.sha256((folder / name).read_bytes()).hexdigest())
    (folder / ".init.yml").write_text(yaml.safe_dump({**record, "name": "credit-default", "owner": "example-org"}))

    # when
    continued = init(churn)

    # then
    assert [str(edit.path) for edit in continued.edits] == missing
    assert init(churn).edits == ()


def test_what_was_edited_and_committed_since_is_kept_unless_forced(folder: Path, churn: Path, init: Init) -> None:
    init(churn)
    (folder / "schema.yml").write_text((folder / "schema.yml").read_text() + "# mine\n")
    commit(folder)

    with pytest.raises(InputError, match=r"edited since the last `mlops init`: schema.yml"):
        init(churn)

    assert "# mine" in (folder / "schema.yml").read_text()
    assert init(churn, is_forced=True).is_written


def test_another_table_before_the_first_one_is_committed_replaces_it(folder: Path, churn: Path, init: Init) -> None:
    init(churn)

    init(churn.rename(churn.with_name("leavers.csv")))

    assert load_project(folder).settings.name == "leavers"
    assert load_project(folder).settings.registry == "mlr-leavers"
    assert sorted(file.name for file in (folder / "data").glob("*.*")) == [
        *(".gitignore", "README.md", "churn_2026.csv", "explore.ipynb", "leavers.csv", "leavers.yml")
    ]


def test_without_git_nothing_is_overwritten_unless_forced(folder: Path, churn: Path, init: Init) -> None:
    shutil.rmtree(folder / ".git")

    with pytest.raises(InputError, match=r"git has no copy of endpoints/online/sample-request.json, schema.yml"):
        init(churn)

    assert init(churn, is_forced=True).is_written


def test_a_csv_of_somebody_else_is_kept(folder: Path, churn: Path, init: Init) -> None:
    (folder / "data/churn_2026.csv").write_text("mine\n")

    with pytest.raises(InputError, match=r"data/churn_2026.csv exists, and `mlops init` did not write it"):
        init(churn)


def test_a_csv_of_an_earlier_run_is_replaced(folder: Path, churn: Path, init: Init) -> None:
    init(churn)
    commit(folder)
    text(churn, churn.read_text("cp1252") + "601;7;100;1\n", "cp1252")

    assert [str(edit.path) for edit in init(churn).edits][:2] == WRITTEN[:2]


def test_rules_of_another_task_are_kept_with_a_warning(folder: Path, churn: Path, init: Init) -> None:
    assert not any("releases/" in each for each in init(churn, keeps_rules=True).sentences)

    result = init(churn, target="months", keeps_rules=True)

    (warning,) = (each for each in result.sentences if "releases/" in each)
    assert "are those of a binary_classification" in warning
    assert "without --keep-rules" in warning


def test_rows_of_an_earlier_table_are_kept(folder: Path, churn: Path, init: Init, tmp_path: Path) -> None:
    # given a project whose rows git does not have, and whose source is gone
    init(churn)
    commit(folder)
    rows = (folder / "data/churn_2026.csv").read_bytes()
    other = churn.rename(tmp_path / "other-table.csv")

    # when
    init(other)

    # then
    assert (folder / "data/churn_2026.csv").read_bytes() == rows
    assert not (folder / "data/churn_2026.yml").exists()
    assert "churn_2026.csv" not in git(folder, "status", "--porcelain")


@pytest.mark.parametrize("forced", [False, True])
def test_the_file_to_read_is_never_overwritten(folder: Path, churn: Path, init: Init, *, forced: bool) -> None:
    source = folder / "data" / "churn.csv"
    shutil.copy(churn, source)

    with pytest.raises(InputError, match=r"data/churn.csv is the file to read"):
        init(source, is_forced=forced)

    assert source.read_bytes() == churn.read_bytes()
    assert init(source, name="who-leaves").is_written


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("7.csv", "model-7"),
        ("t.csv", "model-t"),
        ("Ä.csv", "model-a"),
        ("Größe über alles.csv", "grosse-uber-alles"),
        ("The sales of all our shops, 2019 to 2024.csv", "the-sales-of-all-o"),
    ],
)
def test_a_file_whose_name_no_project_can_have_gives_a_name(churn: Path, init: Init, file: str, name: str) -> None:
    assert init(churn.rename(churn.with_name(file)), is_dry_run=True).name == name


@pytest.mark.parametrize("name", ["My Name", "7", "a-name-that-is-far-too-long"])
def test_a_name_that_a_project_cannot_have_is_refused(churn: Path, init: Init, name: str) -> None:
    with pytest.raises(InputError) as refused:
        init(churn, name=name)

    assert "cannot be the project's name" in refused.value.message
    assert "--name: 3 to 18 lower-case letters" in refused.value.advice


def test_the_command_prints_text_and_json(folder: Path, churn: Path) -> None:
    words = [sys.executable, "-m", "mlops", "--project", str(folder), "init", "--data", str(churn)]

    shown = subprocess.run([*words, "--target", "churned"], capture_output=True, text=True, check=True).stdout
    document = subprocess.run([*words, "--target", "churned", "--dry-run", "--json"], capture_output=True, check=True)
    wrong = subprocess.run([*words, "--target", "churn"], capture_output=True, text=True, check=False)

    assert "Churn 2026.csv: 600 rows, 4 columns; CSV with semicolons, Windows-1252, LF" in shown
    assert "Next: `uv run mlops check`" in shown
    found = json.loads(document.stdout)
    assert (found["task"], found["id"], found["written"], found["files"]) == (
        *("binary_classification", "customer", False),
        [],
    )
    assert {column["name"]: column["role"] for column in found["columns"]} == {
        "customer": "id",
        "months": "feature",
        "Größe": "feature",
        "churned": "target",
    }
    assert (wrong.returncode, "Did you mean 'churned'?" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "CHURN"), "give --target COLUMN; Churn 2026.csv has customer, months, Größe, churned"),
        (("--data", "CHURN", "--list"), "--list lists the examples: leave --data, --target, --example and --into out"),
    ],
)
def test_words_that_do_not_go_together_say_what_does(
    folder: Path, churn: Path, words: Sequence[str], said: str
) -> None:
    given = [str(churn) if word == "CHURN" else word for word in words]
    command = [sys.executable, "-m", "mlops", "--project", str(folder), "init", *given]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


EXAMPLE_FILE = """\
format: 1
title: Customers who leave
description: With steps of its own.
generator: generate.py
target: churned
removed: [components/train_model/boosting.py]
reworded:
  - {file: pipelines/train.yml, pattern: "^  iterations: .*$", text: "  epochs: 40"}
"""


def test_an_example_brings_steps_of_its_own(folder: Path, churn: Path) -> None:
    # given an example that replaces, removes and rewords files of the project
    files = {
        "examples/leaving/example.yml": EXAMPLE_FILE,
        "examples/leaving/generate.py": "# its generator\n",
        "examples/leaving/project/components/train_model/train_model.py": "# its step\n",
        "components/train_model/train_model.py": "# the template's step\n",
        "components/train_model/boosting.py": "",
        "pipelines/train.yml": "inputs:\n  seed: 7\n  iterations: 60\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    commit(folder)
    project = load_project(folder)

    # when
    init_project(project, churn, example_options(project, "leaving", InitOptions("")))

    # then
    assert (folder / "components/train_model/train_model.py").read_text() == "# its step\n"
    assert not (folder / "components/train_model/boosting.py").exists()
    assert (folder / "pipelines/train.yml").read_text() == "inputs:\n  seed: 7\n  epochs: 40\n"
    assert (folder / "data/generate_sample.py").read_text() == "# its generator\n"
    commit(folder)
    assert init_project(project, churn, example_options(project, "leaving", InitOptions(""))).edits == ()
