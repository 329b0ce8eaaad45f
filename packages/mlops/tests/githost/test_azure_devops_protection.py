"""`mlops check --repository` in Azure DevOps: what is missing is named, with the way to set it."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from mlops.core.errors import InputError, MachineError
from mlops.core.git import Repository

from .conftest import Protected, azure_documents, changed, failing, judged_on_azure

SELF = ("checks", 0, "settings", "requesterCannotBeApprover")


def test_a_repository_that_is_protected_passes(azure: Protected) -> None:
    result = azure.check()
    assert result.exit_code == 0, [each for each in result.findings if each.fails]
    assert list(result.findings) == judged_on_azure(azure_documents())


@pytest.mark.parametrize(
    ("keys", "to", "setting"),
    [
        (("policies", 0, "isBlocking"), False, "reviews before a merge into main"),
        (("policies", 0, "settings", "creatorVoteCounts"), True, "reviews before a merge into main"),
        (("policies", 0, "settings", "resetOnSourcePush"), False, "reviews before a merge into main"),
        (("policies", 0, "settings", "scope", 0, "refName"), "refs/heads/other", "reviews before a merge into main"),
        (("policies", 1, "isEnabled"), False, "checks before a merge"),
        (("pipelines", 0, "process", "yamlFilename"), "/other.yml", "checks before a merge"),
        (("policies", 2, "settings", "filenamePatterns"), ["/releases/*"], "required reviewers of /infra/*"),
        (("policies", 2, "settings", "requiredReviewerIds"), [], "required reviewers of /releases/*"),
        (("environments", 0, "name"), "development", "environment dev"),
        (("checks", 4, "type", "name"), "Approval", "concurrent rollouts to staging"),
        (SELF, False, "approval before a deployment to prod"),
        (("service-endpoints", 2, "authorization", "scheme"), "ServicePrincipal", "service connection prod"),
        (("service-endpoints", 3, "name"), "other", "service connection promotion"),
        (("checks", 12, "settings", "inputs", "allowedBranches"), "*", "branches that may use service connection prod"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_is_not_as_needed_is_named_with_the_way_to_set_it(keys: tuple[Any, ...], to: Any, setting: str) -> None:
    found = failing(judged_on_azure(changed(azure_documents(), *keys, to=to)))
    assert found[setting].how.startswith(("az repos policy ", "https://dev.azure.com/example/scoring/"))


def test_the_commands_that_are_printed_set_it(azure: Protected) -> None:
    azure.git_host.set_document("policies", [])
    for finding in azure.failing().values():
        command = finding.how.partition(" (ID:")[0].replace("--build-definition-id ID", "--build-definition-id 5")
        done = subprocess.run(shlex.split(command), cwd=azure.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
    assert azure.failing() == {}


def test_a_policy_of_the_whole_project_counts() -> None:
    scope = [{"repositoryId": None, "refName": None, "matchKind": "DefaultBranch"}]
    documents = changed(azure_documents(), "policies", 0, "settings", "scope", to=scope)
    assert failing(judged_on_azure(documents)) == {}


def test_nobody_logged_in_is_told(azure: Protected) -> None:
    azure.git_host.log_out()
    with pytest.raises(MachineError) as caught:
        azure.check()
    assert "az login" in " ".join(caught.value.details)


def test_a_remote_without_settings_is_told(azure: Protected) -> None:
    subprocess.run(["git", "-C", str(azure.root), "remote", "set-url", "origin", "/srv/git/r.git"], check=True)
    assert Repository(azure.root).remote_url("origin") == "/srv/git/r.git"
    with pytest.raises(InputError, match="neither GitHub nor Azure DevOps"):
        azure.check()
