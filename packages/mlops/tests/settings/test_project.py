import re
from pathlib import Path

import pytest

from mlops.core.errors import InputError, ProjectError
from mlops.settings.project import find_project_file, load_project, read_settings

ROOT = Path(__file__).parents[4]
SHIPPED = (ROOT / "project.yml").read_text(encoding="utf-8")


def line_of(text: str, start: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith(start))


def test_shipped_file_is_valid_and_has_three_stages() -> None:
    project = load_project(ROOT)

    assert project.settings.stage("dev").endpoint == "credit-default-dev"
    assert project.settings.stage("prod").instance_count == 2
    assert project.root == ROOT


def test_a_stage_that_scores_only_files_has_no_online_endpoint_and_no_machines(tmp_path: Path) -> None:
    text = re.sub(r"^ +(?:endpoint|instance_type|instance_count): .*\n", "", SHIPPED, flags=re.MULTILINE)
    (tmp_path / "project.yml").write_text(text.replace("serving: managed", "serving: batch"))

    stage = load_project(tmp_path).settings.stage("dev")

    assert (stage.endpoint, stage.main_endpoint) == (None, "credit-default-dev-files")
    with pytest.raises(InputError, match="dev has no online endpoint: its serving is batch"):
        _ = stage.online_endpoint


def test_a_stage_that_serves_online_without_an_endpoint_is_told_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "project.yml").write_text(SHIPPED.replace("    endpoint: credit-default-dev # unique", "    # unique"))

    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path)

    assert "is missing; add it; a stage that scores only files has `serving: batch`" in str(caught.value.details)


def test_a_stage_that_scores_only_files_names_where(tmp_path: Path) -> None:
    text = re.sub(r"^ +(?:batch_endpoint|endpoint|instance_\w+): .*\n", "", SHIPPED, flags=re.MULTILINE)
    (tmp_path / "project.yml").write_text(text.replace("serving: managed", "serving: batch"))

    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path)

    assert any("batch_endpoint" in str(each) for each in caught.value.locations)


BAD_FILES = [
    (
        "unknown key",
        "name: credit-default",
        "nmae: x\nname: credit-default",
        "nmae",
        "unknown key (did you mean 'name'?)",
    ),
    ("unknown word", "serving: managed", "serving: mangaed", "stages.dev.serving", "(did you mean 'managed'?)"),
    ("missing key", "model: credit-default # the registered", "# the registered", "model", "is missing"),
    (
        "number for text",
        "    compute: cpu-cluster # the",
        "    compute: 7 # the",
        "stages.dev.compute",
        "text",
    ),
    ("text for number", "instance_count: 2", "instance_count: two", "stages.prod.instance_count", "integer"),
    ("no machine", "instance_count: 2", "instance_count: 0", "stages.prod.instance_count", "greater"),
    (
        "true for a number",
        "instance_count: 2",
        "instance_count: true",
        "stages.prod.instance_count",
        "integer",
    ),
    (
        "subscription that is no GUID",
        "subscription_id: 00000000-0000-0000-0000-000000000000 # az",
        "subscription_id: my-subscription # az",
        "stages.dev.subscription_id",
        "az account show",
    ),
    (
        "endpoint name with a dot",
        "endpoint: credit-default-dev",
        "endpoint: credit.default",
        "stages.dev.endpoint",
        "3 to 32",
    ),
    (
        "group that ends with a dot",
        "resource_group: rg-credit-default-dev",
        "resource_group: rg.",
        "stages.dev.resource_group",
        "not ending with '.'",
    ),
    (
        "workspace name that is too short",
        "workspace: mlw-credit-default-prod",
        "workspace: ml",
        "stages.prod.workspace",
        "3 to 33",
    ),
    ("project name in capitals", "name: credit-default", "name: Credit", "name", "lower-case"),
    ("no stage", "stages:\n  - name: dev", "stages: []\nunused:\n  - name: dev", "stages", "has 0 stages"),
    ("two stages of one name", "- name: staging", "- name: dev", "stages.dev.name", "names must differ"),
    ("stage in capitals", "- name: staging", "- name: Staging", "stages.Staging.name", "lower-case"),
    ("a stage called like a file", "- name: prod", "- name: gates", "stages.gates.name", "reserved"),
    (
        "an online endpoint where only files are scored",
        "    serving: managed # or",
        "    serving: batch # or",
        "stages.dev.endpoint",
        "serving is batch",
    ),
    ("another format", "format: 1", "format: 2", "format", "reads format 1"),
]


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"), [case[1:] for case in BAD_FILES], ids=[case[0] for case in BAD_FILES]
)
def test_error_names_file_line_key_and_reason(tmp_path: Path, old: str, new: str, key: str, reason: str) -> None:
    # given
    file = tmp_path / "project.yml"
    assert old in SHIPPED
    file.write_text(SHIPPED.replace(old, new, 1), encoding="utf-8")

    # when
    with pytest.raises(ProjectError) as caught:
        read_settings(file)

    # then
    problem = next(detail for detail in caught.value.details if f": {key}: " in detail)
    line = int(problem.split(":")[1])
    leaf = key.rpartition(".")[2]
    assert problem.startswith("project.yml:")
    assert reason in problem
    if "is missing" not in problem:
        assert file.read_text().splitlines()[line - 1].strip(" -").startswith(leaf)
    assert caught.value.exit_code == 3


ON_KUBERNETES = """\
serving: kubernetes
    kubernetes_compute: scoring
    instance_type: defaultinstancetype
    instance_count: 2
    max_instances: 5
"""
MANAGED = """\
serving: managed # or kubernetes (docs/infrastructure.md), or batch: only files (docs/batch.md)
    instance_type: Standard_DS2_v2 # the machine type behind the endpoint
    instance_count: 1
"""


def dev_on_kubernetes(folder: Path, old: str = "", new: str = "") -> Path:
    """The shipped file with dev on a cluster, `old` replaced by `new` in what says so."""
    assert MANAGED in SHIPPED
    assert old in ON_KUBERNETES
    file = folder / "project.yml"
    file.write_text(SHIPPED.replace(MANAGED, ON_KUBERNETES.replace(old, new), 1), encoding="utf-8")
    return file


def test_a_stage_is_served_by_machines_of_azure_or_by_a_cluster(tmp_path: Path) -> None:
    dev, _, prod = read_settings(dev_on_kubernetes(tmp_path)).stages

    assert (dev.serving, dev.kubernetes_compute, dev.max_instances) == ("kubernetes", "scoring", 5)
    assert (prod.serving, prod.kubernetes_compute, prod.max_instances) == ("managed", None, None)


BAD_COMBINATIONS = [
    ("no such serving", "serving: kubernetes", "serving: docker", "serving", "managed"),
    (
        "a machine on a cluster",
        "defaultinstancetype",
        "Standard_DS2_v2",
        "instance_type",
        "instance type of the cluster",
    ),
    ("an instance type on Azure's machines", "kubernetes\n", "managed\n", "instance_type", "Standard_DS2_v2"),
    ("a compute on Azure's machines", "kubernetes\n", "managed\n", "kubernetes_compute", "remove it"),
    ("a range on Azure's machines", "kubernetes\n", "managed\n", "max_instances", "Azure Monitor"),
    (
        "fewer at most than at least",
        "max_instances: 5",
        "max_instances: 1",
        "max_instances",
        "less than instance_count 2",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"), [case[1:] for case in BAD_COMBINATIONS], ids=[case[0] for case in BAD_COMBINATIONS]
)
def test_what_does_not_go_together_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, key: str, reason: str
) -> None:
    file = dev_on_kubernetes(tmp_path, old, new)

    with pytest.raises(ProjectError) as caught:
        read_settings(file)

    problem = next(detail for detail in caught.value.details if f": stages.dev.{key}: " in detail)
    assert file.read_text().splitlines()[int(problem.split(":")[1]) - 1].strip().startswith(key)
    assert reason in problem


def test_a_missing_cluster_is_told_at_its_stage(tmp_path: Path) -> None:
    file = dev_on_kubernetes(tmp_path, "    kubernetes_compute: scoring\n", "")

    with pytest.raises(ProjectError) as caught:
        read_settings(file)

    (problem,) = caught.value.details
    assert problem.startswith(
        f"project.yml:{line_of(SHIPPED, '- name: dev')}: stages.dev.kubernetes_compute: is missing"
    )


def test_the_stages_as_keys_are_told_what_to_write_instead(tmp_path: Path) -> None:
    # given project.yml as it was before format 1
    file = tmp_path / "project.yml"
    old = re.sub(r"^  - name: (\w+)$", r"  \1:", SHIPPED, flags=re.MULTILINE).replace("format: 1", "# format: 1")
    file.write_text(old, encoding="utf-8")

    with pytest.raises(ProjectError) as caught:
        read_settings(file)

    missing, stages = caught.value.details
    assert missing.startswith("project.yml:1: format: is missing; write `format: 1` at the top")
    assert stages.startswith(f"project.yml:{line_of(old, 'stages:')}: stages: has one key per stage")
    assert "write `- name: dev` instead of `dev:`" in stages


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_project_has_one_to_six_stages_in_its_own_order(tmp_path: Path, count: int) -> None:
    names = ("lab", "dev", "test", "uat", "preprod", "live")[:count]
    head, first, *_ = SHIPPED.split("  - name: ")
    stages = [first.replace("dev\n", f"{name}\n", 1) for name in names]
    file = tmp_path / "project.yml"
    file.write_text("  - name: ".join([head, *stages]), encoding="utf-8")

    order = read_settings(file).order

    assert order.names == names
    assert (order.training, order.production) == (names[0], names[-1])
    assert [order.source_of(name) for name in names] == [names[0], *names[:-1]]
    assert [order.next_after(name) for name in names] == [*names[1:], None]


def test_a_stage_that_there_is_not_is_told_with_what_may_have_been_meant() -> None:
    with pytest.raises(InputError, match=r"there is no stage 'prdo' \(did you mean 'prod'\?\)") as caught:
        load_project(ROOT).settings.stage("prdo")

    assert "dev → staging → prod" in caught.value.advice


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "project.yml"
    file.write_text(SHIPPED.replace("cpu-cluster", "c_").replace("registry:", "registri:"), encoding="utf-8")

    with pytest.raises(ProjectError) as caught:
        read_settings(file)

    # three computes, the unknown key, and the missing one
    assert len(caught.value.details) == 5


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"name: [unclosed\nmodel: x\n", 2, "project.yml:2"),
        (b"name: a\nname: b\n", 2, "duplicate key `name` (first on line 1)"),
        (b"\xff\xfe\x00", 1, "not UTF-8"),
        (b"", 1, "1 problem"),
        (b"just a sentence", 1, "1 problem"),
    ],
    ids=["broken YAML", "a key twice", "not UTF-8", "empty", "no mapping"],
)
def test_file_that_is_no_mapping_is_refused_with_its_line(
    tmp_path: Path, content: bytes, line: int, reason: str
) -> None:
    file = tmp_path / "project.yml"
    file.write_bytes(content)

    with pytest.raises(ProjectError) as caught:
        read_settings(file)

    told = " ".join((caught.value.message, *caught.value.details))
    assert f"project.yml:{line}" in told
    assert reason in told


def test_project_is_found_from_a_folder_below(tmp_path: Path) -> None:
    (tmp_path / "project.yml").write_text(SHIPPED)
    below = tmp_path / "components" / "train_model"
    below.mkdir(parents=True)

    assert find_project_file(below) == tmp_path / "project.yml"


def test_missing_project_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        find_project_file(tmp_path)

    assert str(tmp_path) in caught.value.message
    assert "--project" in caught.value.advice


def test_given_file_is_read_instead_of_the_one_around(tmp_path: Path) -> None:
    file = tmp_path / "other.yml"
    file.write_text(SHIPPED.replace("model: credit-default", "model: other"))

    assert load_project(file).settings.model == "other"


@pytest.mark.parametrize(
    ("key", "name", "letter"),
    [
        ("model", "cr\u0435dit-default", "cyrillic small letter ie"),
        ("data", "credit\u2010default", "hyphen"),
        ("registry", "mlr-credit-d\u0435fault", "cyrillic small letter ie"),
        ("name", "credit-default\u200b", "zero width space"),
        ("model", "credit-default\uff11", "fullwidth digit one"),
    ],
)
def test_a_letter_that_only_looks_like_another_is_named(key: str, name: str, letter: str, tmp_path: Path) -> None:
    text = re.sub(rf"^{key}: \S+", f"{key}: {name}", SHIPPED, flags=re.MULTILINE)
    (tmp_path / "project.yml").write_text(text, encoding="utf-8")

    with pytest.raises(ProjectError) as caught:
        load_project(tmp_path)

    (told,) = caught.value.details
    assert told.startswith(f"project.yml:{line_of(text, key)}: {key}: ")
    assert letter in told
    assert told.endswith("type the name with plain ASCII letters")
