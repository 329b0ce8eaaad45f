"""Which git host a remote is on, by its address, and whose CI runs a process, by its variables."""

from __future__ import annotations

import pytest

from mlops.githost.hosts import current_builder, current_job, host_of, parse_remote
from mlops.githost.interface import UNKNOWN, WORKSTATION, Builder, builder_of

TRAINING = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "example/credit-default",
    "GITHUB_WORKFLOW_REF": "example/credit-default/.github/workflows/train.yml@refs/heads/main",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "2",
}


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://github.com/o/r.git", "github"),
        ("git@github.com:o/r.git", "github"),
        ("https://github.example.org/o/r", "github"),
        ("https://dev.azure.com/o/p/_git/r", "azure_devops"),
        ("git@ssh.dev.azure.com:v3/o/p/r", "azure_devops"),
        ("https://o.visualstudio.com/p/_git/r", "azure_devops"),
        ("/srv/git/github.com/r.git", None),
        ("file:///srv/r.git", None),
        ("ssh://git@example.org/r.git", None),
    ],
)
def test_the_address_names_the_host(url: str, key: str | None) -> None:
    host = host_of(url)
    assert (host.key if host else None) == key


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/o/r.git", ("github", "github.com", "o", "", "r")),
        ("git@github.com:o/r", ("github", "github.com", "o", "", "r")),
        ("ssh://git@github.example.org:22/o/r.git", ("github", "github.example.org", "o", "", "r")),
        ("https://token@dev.azure.com/o/p%20q/_git/r", ("azure_devops", "dev.azure.com", "o", "p q", "r")),
        ("git@ssh.dev.azure.com:v3/o/p/r", ("azure_devops", "dev.azure.com", "o", "p", "r")),
        ("https://o.visualstudio.com/p/_git/r", ("azure_devops", "dev.azure.com", "o", "p", "r")),
        ("https://o.visualstudio.com/DefaultCollection/_git/r", ("azure_devops", "dev.azure.com", "o", "r", "r")),
        ("o@vs-ssh.visualstudio.com:v3/o/p/r", ("azure_devops", "dev.azure.com", "o", "p", "r")),
        ("https://github.com/o", None),
        ("/srv/git/r.git", None),
        ("", None),
    ],
)
def test_the_address_names_the_repository(url: str, expected: tuple[str, ...] | None) -> None:
    found = parse_remote(url)
    assert (found and (found.host.key, found.server, found.owner, found.project, found.name)) == expected


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, ""),
        ({"GITHUB_ACTIONS": "false"}, ""),
        ({"GITHUB_ACTIONS": "true"}, "GitHub Actions"),
        ({"TF_BUILD": "True"}, "Azure Pipelines"),
    ],
    ids=["none", "said to be none", "GitHub", "Azure"],
)
def test_the_variables_name_the_ci_system(environment: dict[str, str], name: str) -> None:
    assert current_job(environment).name == name


def test_the_variables_name_who_acts() -> None:
    azure = {"TF_BUILD": "True", "BUILD_REQUESTEDFOR": "Ann", "BUILD_REQUESTEDFOREMAIL": "ann@example.com"}
    assert current_job({"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ann"}).actor == "ann"
    assert current_job(azure).actor == "ann@example.com"
    assert current_job(azure | {"BUILD_REQUESTEDFOREMAIL": ""}).actor == "Ann"
    assert current_job({"GITHUB_ACTOR": "ann"}).actor == ""


def test_the_variables_name_the_builder() -> None:
    azure = {
        "TF_BUILD": "True",
        "SYSTEM_COLLECTIONURI": "https://dev.azure.com/example/",
        "SYSTEM_TEAMPROJECT": "scoring",
        "SYSTEM_DEFINITIONID": "7",
        "BUILD_SOURCEBRANCH": "refs/heads/main",
        "BUILD_BUILDID": "99",
        "BUILD_REPOSITORY_NAME": "credit-default",
    }
    assert current_builder(azure) == Builder(
        "https://dev.azure.com/example/scoring/_build?definitionId=7@refs/heads/main",
        "https://dev.azure.com/example/scoring/_build/results?buildId=99",
        "https://dev.azure.com/example/scoring/_git/credit-default",
    )
    assert current_builder({}).id == WORKSTATION
    assert builder_of(None).id == UNKNOWN
    assert builder_of(current_builder(TRAINING).tags()) == current_builder(TRAINING)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("git@github.com:o/r.git", "https://github.com/o/r/commit/0a1b"),
        ("https://token@dev.azure.com/o/p%20q/_git/r", "https://dev.azure.com/o/p%20q/_git/r/commit/0a1b"),
        ("git@ssh.dev.azure.com:v3/o/p/r", "https://dev.azure.com/o/p/_git/r/commit/0a1b"),
    ],
)
def test_a_commit_has_a_page(url: str, page: str) -> None:
    remote = parse_remote(url)

    assert remote is not None
    assert remote.host.commit_url(remote, "0a1b") == page


@pytest.mark.parametrize(
    ("environment", "page"),
    [
        (TRAINING | {"GITHUB_REF": "refs/pull/7/merge"}, "https://github.com/example/credit-default/pull/7"),
        (TRAINING | {"GITHUB_REF": "refs/heads/main"}, ""),
        (
            {
                "TF_BUILD": "True",
                "SYSTEM_COLLECTIONURI": "https://dev.azure.com/o/",
                "SYSTEM_TEAMPROJECT": "p q",
                "BUILD_REPOSITORY_NAME": "r",
                "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
            },
            "https://dev.azure.com/o/p%20q/_git/r/pullrequest/7",
        ),
        ({"TF_BUILD": "True"}, ""),
        ({}, ""),
    ],
)
def test_a_job_of_a_pull_request_knows_its_page(environment: dict[str, str], page: str) -> None:
    assert current_job(environment).pull_request_url == page
