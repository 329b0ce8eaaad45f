import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]
OUTPUTS = {
    "subscription_id": "11111111-2222-3333-4444-555555555555",
    "resource_group": "rg-credit-default-dev",
    "workspace": "mlw-credit-default-dev",
    "location": "northeurope",
    "compute": "cpu-cluster",
    "endpoint": "credit-default-dev-6d702",
    "registry": "mlr-credit-default",
    "serving": "managed",
    # what pipelines log in with; not project.yml's
    "ci_client_id": "66666666-2222-3333-4444-555555555555",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "infra").mkdir(parents=True)
    (folder / "project.yml").write_text((ROOT / "project.yml").read_text())
    return folder


def configure(project: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlops", "--project", str(project), "configure", "--stage", "dev", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path or os.environ["PATH"]},
    )


def written(project: Path, **changes: Any) -> str:
    file = project / "outputs.json"
    file.write_text(json.dumps({**OUTPUTS, **changes}))
    return str(file)


def comments(text: str) -> list[str]:
    return [line.split("#", 1)[1] for line in text.splitlines() if "#" in line]


def test_values_are_filled_in_and_all_else_stays(project: Path) -> None:
    # given a project.yml as shipped
    before = (project / "project.yml").read_text()
    # when the outputs are put in
    done = configure(project, "--outputs", written(project), "--json")
    # then exactly what differed has changed
    assert done.returncode == 0, done.stderr
    changes = {change["key"]: change["after"] for change in json.loads(done.stdout)["changes"]}
    assert changes == {
        "stages.dev.subscription_id": OUTPUTS["subscription_id"],
        "stages.dev.location": "northeurope",
        "stages.dev.endpoint": OUTPUTS["endpoint"],
    }
    after = (project / "project.yml").read_text()
    different = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(different) == len(changes)
    assert comments(after) == comments(before)


def test_where_images_are_follows_the_stack(project: Path) -> None:
    for outputs, expected in (({"images": "shared"}, "shared"), ({}, "own")):
        done = configure(project, "--outputs", written(project, **outputs))
        assert done.returncode == 0, done.stderr
        assert load_project(project).settings.stage("dev").images == expected


def test_the_topic_that_the_infrastructure_made_is_told_from_then_on(project: Path) -> None:
    topic = "evgt-credit-default-dev-6d702"

    done = configure(project, "--outputs", written(project, events_topic=topic))

    assert done.returncode == 0, done.stderr
    assert load_project(project).settings.stage("dev").events_topic == topic


def test_a_stage_moves_to_the_cluster_and_back(project: Path) -> None:
    # given a project.yml as shipped
    file = project / "project.yml"
    before = file.read_text()
    configure(project, "--outputs", written(project))
    managed = file.read_text()
    # when the stack serves by Kubernetes
    names = {"kubernetes_compute": "kubernetes", "instance_type": "defaultinstancetype"}
    done = configure(project, "--outputs", written(project, serving="kubernetes", **names))
    # then the stage says so, in its place
    assert done.returncode == 0, done.stderr
    lines = [line.split(" #")[0].strip() for line in file.read_text().splitlines()]
    start = lines.index("serving: kubernetes")
    assert lines[start : start + 3] == [
        "serving: kubernetes",
        "kubernetes_compute: kubernetes",
        "instance_type: defaultinstancetype",
    ]
    # and what the team chooses of the cluster stays
    file.write_text(file.read_text().replace("defaultinstancetype", "small", 1))
    assert "is up to date" in configure(project, "--outputs", written(project, serving="kubernetes", **names)).stdout
    # and back, with a machine in place of the cluster's instance type
    file.write_text(
        file.read_text().replace("instance_count: 1\n", "instance_count: 1\n    max_instances: 3 # at most\n", 1)
    )
    done = configure(project, "--outputs", written(project), "--json")
    changes = {change["key"].rpartition(".")[2]: change["after"] for change in json.loads(done.stdout)["changes"]}
    assert changes == {
        "serving": "managed",
        "instance_type": "Standard_DS3_v2",
        "kubernetes_compute": None,
        "max_instances": None,
    }
    # (a comment stays in the column to which a longer value has moved it)
    after = re.sub(r" +#", " #", file.read_text())
    assert after.replace("Standard_DS3_v2", "Standard_DS2_v2", 1) == managed
    assert comments(file.read_text()) == comments(before)


def test_a_stage_stops_answering_requests_and_starts_again(project: Path) -> None:
    # given a stack without an online endpoint
    files = project / "files.json"
    files.write_text(
        json.dumps({key: value for key, value in OUTPUTS.items() if key != "endpoint"} | {"serving": "batch"})
    )

    done = configure(project, "--outputs", str(files))

    assert done.returncode == 0, done.stderr
    stage = load_project(project).settings.stage("dev")
    assert (stage.serving, stage.endpoint, stage.instance_type, stage.instance_count) == ("batch", None, None, None)
    assert stage.batch_endpoint == "credit-default-dev-files"
    # and one with it again
    done = configure(project, "--outputs", written(project))
    assert done.returncode == 0, done.stderr
    stage = load_project(project).settings.stage("dev")
    assert (stage.serving, stage.endpoint, stage.instance_count) == ("managed", OUTPUTS["endpoint"], 1)


def test_a_list_of_stages_that_is_not_indented_stays_so(project: Path) -> None:
    # given another team's style
    file = project / "project.yml"
    head, stages = file.read_text().split("stages:\n")
    file.write_text(f"{head}stages:\n" + "".join(line.removeprefix("  ") for line in stages.splitlines(keepends=True)))
    before = file.read_text()

    done = configure(project, "--outputs", written(project))

    assert done.returncode == 0, done.stderr
    different = [(a, b) for a, b in zip(before.splitlines(), file.read_text().splitlines(), strict=True) if a != b]
    assert len(different) == 3


def test_a_second_run_changes_nothing(project: Path) -> None:
    configure(project, "--outputs", written(project))
    text = (project / "project.yml").read_text()

    done = configure(project, "--outputs", written(project))

    assert done.returncode == 0
    assert "is up to date" in done.stdout
    assert (project / "project.yml").read_text() == text


def test_who_deployments_are_and_where_they_collect_is_filled_in(project: Path) -> None:
    before = (project / "project.yml").read_text()
    place = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/endpoint"
    outputs = written(project, endpoint_identity=place, collected_datastore="collected")

    done = configure(project, "--outputs", outputs, "--json")

    assert done.returncode == 0, done.stderr
    dev = load_project(project).settings.stage("dev")
    assert (dev.endpoint_identity, dev.collected_datastore) == (place, "collected")
    assert comments((project / "project.yml").read_text()) == comments(before)


def test_a_missing_location_is_added(project: Path) -> None:
    file = project / "project.yml"
    file.write_text(file.read_text().replace("    location: westeurope # optional: the Azure region\n", ""))

    done = configure(project, "--outputs", written(project))

    assert done.returncode == 0
    assert "location: northeurope" in file.read_text()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not json", "is not valid JSON"),
        ("{}", "subscription_id"),
        (json.dumps({**OUTPUTS, "subscription_id": "mine"}), "a GUID"),
        (json.dumps({**OUTPUTS, "endpoint": 7}), "endpoint"),
        (json.dumps({**OUTPUTS, "serving": "docker"}), "serving"),
        ("[]", "lacks what project.yml needs"),
    ],
    ids=["no-json", "nothing-in-it", "wrong-id", "wrong-type", "unknown-serving", "a-list"],
)
def test_wrong_outputs_change_nothing(project: Path, content: str, sentence: str) -> None:
    before = (project / "project.yml").read_text()
    (project / "outputs.json").write_text(content)

    done = configure(project, "--outputs", str(project / "outputs.json"))

    assert done.returncode == 2
    assert sentence in done.stderr
    assert (project / "project.yml").read_text() == before
    assert not list(project.glob(".project.yml.*"))


def test_missing_file_and_missing_pulumi_are_told(project: Path, tmp_path: Path) -> None:
    assert configure(project, "--outputs", "no-such-file.json").returncode == 2

    done = configure(project, path=str(tmp_path))

    assert done.returncode == 8
    assert "pulumi command is not installed" in done.stderr


def test_pulumi_is_asked_in_the_infrastructures_folder(project: Path, tmp_path: Path) -> None:
    # given a program called pulumi that answers for one stack, from one folder
    programs = tmp_path / "programs"
    programs.mkdir()
    pulumi = programs / "pulumi"
    pulumi.write_text(
        "#!/bin/sh\n"
        '[ "$(basename "$PWD")" = infra ] && [ "$*" = "stack output --stack dev --json --non-interactive" ] || exit 9\n'
        f"cat '{written(project)}'\n"
    )
    pulumi.chmod(0o755)
    # when no file is given
    done = configure(project, "--json", path=f"{programs}:{os.environ['PATH']}")
    # then its answer is used
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["changes"]) == 3


def test_a_stack_without_outputs_is_told_with_advice(project: Path, tmp_path: Path) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("#!/bin/sh\necho 'error: no stack named dev' >&2\nexit 255\n")
    pulumi.chmod(0o755)

    done = configure(project, path=f"{tmp_path}:{os.environ['PATH']}")

    assert done.returncode == 8
    assert "no stack named dev" in done.stderr
    assert "pulumi up --stack dev" in done.stderr
