"""What releases/ says of CI is what the files of both systems hold: no environment, check or action is missed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from mlops.settings.policies import read_policy
from mlops.settings.stages import StageOrder

from .conftest import IN_AZURE_DEVOPS, ON_GITHUB

ORDER = StageOrder(("dev", "staging", "prod"))

ROOT = Path(__file__).parents[4]
WORKFLOWS = ROOT / ".github" / "workflows"
STACKS = ("shared", *ORDER.names)
# A name that a called file is given stands for each of these.
GIVEN = {"${{ inputs.stage }}": ORDER.names, "${{ parameters.stage }}": ORDER.names}
GIVEN_PART = {"${{ inputs.stack }}": STACKS, "${{ parameters.stack }}": STACKS}


def named(key: str, *folders: Path) -> set[str]:
    """The values of a key, anywhere in the YAML files of some folders."""
    found: set[str] = set()
    for file in (file for folder in folders for file in folder.rglob("*.yml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            for value in values_of(document, key):
                found |= set(meant(value))
    return found


def values_of(node: Any, key: str) -> list[str]:
    if isinstance(node, list):
        return [value for each in node for value in values_of(each, key)]
    if not isinstance(node, dict):
        return []
    own = [node[key]] if isinstance(node.get(key), str) else []
    return own + [value for each in node.values() for value in values_of(each, key)]


def meant(value: str) -> list[str]:
    if value in GIVEN:
        return list(GIVEN[value])
    for part, names in GIVEN_PART.items():
        if part in value:
            return [value.replace(part, name) for name in names]
    return [value]


def test_every_environment_of_the_workflows_is_protected() -> None:
    assert named("environment", WORKFLOWS) == set(ON_GITHUB.environments)


def test_every_environment_and_connection_of_the_pipelines_is_protected() -> None:
    folder = ROOT / ".azuredevops"
    assert named("environment", folder) == set(IN_AZURE_DEVOPS.environments)
    main = yaml.safe_load((ROOT / "azure-pipelines.yml").read_text())
    connections = named("connection", folder) | set(values_of(main, "connection"))
    wanted = {name for name in connections if not name.startswith("${{")}
    assert wanted == set(IN_AZURE_DEVOPS.connections)
    assert (ROOT / IN_AZURE_DEVOPS.pull_requests.build).is_file()


def test_every_action_is_allowed_and_none_is_allowed_for_nothing() -> None:
    used = {value.partition("@")[0] for value in named("uses", ROOT / ".github") if not value.startswith("./")}
    owners = {f"{name.partition('/')[0].lower()}/*" for name in used}
    assert owners == set(ON_GITHUB.actions.allowed)


def test_the_checks_that_merges_wait_for_are_jobs() -> None:
    jobs: set[str] = set()
    for file in WORKFLOWS.glob("*.yml"):
        document = yaml.safe_load(file.read_text())
        # YAML 1.1 takes the key `on` for a truth value.
        if "pull_request" in (document.get(True) or {}):
            jobs |= set(document["jobs"])
    assert set(ON_GITHUB.pull_requests.checks) <= jobs


def test_the_variables_that_logins_need_are_asked_for() -> None:
    text = "".join(file.read_text() for file in (ROOT / ".github").rglob("*.yml"))
    used = set(re.findall(r"vars\.([A-Z_]+)", text))
    known = {*ON_GITHUB.environment_variables, *ON_GITHUB.repository_variables}
    optional = {name for name in used if name.startswith("RUNNER_")} | {
        *("ATTEST", "DATA_VERSION", "PUBLISH_DOCS", "TEMPLATE_RELEASES")
    }
    assert used - optional == known


def test_the_builders_that_stages_trust_are_workflows_of_this_repository() -> None:
    policy = read_policy(ROOT, ORDER)
    for stage in ("staging", "prod"):
        for builder in policy.stages[stage].builders:
            match = re.fullmatch(r"\{origin\}/(\.github/workflows/[^@]+)@refs/heads/main", builder)
            assert match is None or (ROOT / match[1]).is_file()
