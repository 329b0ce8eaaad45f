"""`az` as a program: the commands of its extension `azure-devops` that this project and its tests use.

Exit codes are those of az: 2 for an invalid command line, 1 for a refusal of the service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fake_git_host.address import same_repository
from fake_git_host.az import pull_requests, settings
from fake_git_host.az.documents import organisation_url
from fake_git_host.errors import Refusal, Usage
from fake_git_host.flags import Flag, MissingValue, Parsed, Takes, UnknownFlag, parse
from fake_git_host.state import State, changing

USAGE = 2
_LOGIN = (
    "Before you can run Azure DevOps commands, you need to run the login command (az login if using AAD/MSA identity "
    "else az devops login if using PAT token) to setup credentials.  Please see "
    "https://aka.ms/azure-devops-cli-auth for more information."
)
_NO_ORGANISATION = (
    "--organization must be specified. The value should be the URI of your Azure DevOps organization, for example: "
    "https://dev.azure.com/MyOrganization/. For auto detection to work (--detect true), you must be in a local Git "
    'directory that has a "remote" referencing a Azure DevOps repository.'
)
COMMON = (
    Flag(("--organization", "--org")),
    Flag(("--project", "-p")),
    Flag(("--detect",)),
    Flag(("--output", "-o")),
    Flag(("--only-show-errors",), Takes.NOTHING),
)


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        arguments = [_expanded(each) for each in arguments]
        words = _words(arguments)
        handler, flags = COMMANDS[words]
        try:
            parsed = parse(arguments[len(words) :], (*flags, *COMMON))
            with changing(folder) as state:
                actor = _actor(state)
                _locate(state, parsed)
                answer = handler(state, parsed, actor)
        except UnknownFlag as error:
            raise Usage(f"unrecognized arguments: {error} (or not modelled here)", USAGE) from error
        except MissingValue as error:
            raise Usage(f"az {' '.join(words)}: error: expected a value: {error}", USAGE) from error
        if parsed.words:
            raise Usage(f"unrecognized arguments: {' '.join(parsed.words)}", USAGE)
    except Refusal as refusal:
        print(f"ERROR: {refusal}", file=sys.stderr)
        return refusal.exit_code
    if answer is not None and parsed.one("--output") != "none":
        print(json.dumps(answer, indent=2))
    return 0


def _expanded(argument: str) -> str:
    """A value that begins with @ names a file whose text is meant, as Azure's command line has it."""
    name, equals, value = argument.partition("=")
    before, text = (f"{name}=", value) if equals and name.startswith("-") else ("", argument)
    if not text.startswith("@"):
        return argument
    try:
        return before + Path(text[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise Refusal(f"Failed to open file '{text[1:]}'. {error.strerror}") from error


def _words(arguments: Sequence[str]) -> tuple[str, ...]:
    for length in (4, 3, 2):
        words = tuple(arguments[:length])
        if words in COMMANDS:
            return words
    name = " ".join(each for each in arguments[:3] if not each.startswith("-"))
    raise Usage(f"'{name}' is misspelled or not recognized by the system (or not modelled here).", USAGE)


def _actor(state: State) -> str:
    token = os.environ.get("AZURE_DEVOPS_EXT_PAT")
    if token:
        if token not in state.tokens:
            raise Refusal(
                "TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized to access this resource."
            )
        return state.tokens[token]
    if os.environ.get("TF_BUILD") or state.logged_in is None:
        raise Refusal(_LOGIN)
    return state.logged_in


def _locate(state: State, parsed: Parsed) -> None:
    """Refuse a command for another repository than this one, by its flags or by the remote of the checkout."""
    organisation = parsed.one("--organization")
    if organisation is not None:
        if organisation.rstrip("/") != organisation_url(state):
            raise Refusal(f"Page not found. Operation returned a 404 status code: {organisation}")
        if parsed.has("--project") and parsed.one("--project") != state.project:
            raise Refusal(f"TF200016: The following project does not exist: {parsed.one('--project')}.")
        return
    asked = subprocess.run(
        ["git", "config", "--get", "remote.origin.url"], capture_output=True, text=True, timeout=30, check=False
    )
    if parsed.one("--detect") == "false" or not same_repository(asked.stdout.strip(), state):
        raise Refusal(_NO_ORGANISATION)


def _needed(*names: str) -> tuple[Flag, ...]:
    return tuple(Flag((name,)) for name in names)


POLICY = _needed("--branch", "--repository-id", "--enabled", "--blocking", "--branch-match-type")
Handler = Callable[[State, Parsed, str], Any]
COMMANDS: dict[tuple[str, ...], tuple[Handler, tuple[Flag, ...]]] = {
    ("repos", "pr", "list"): (
        pull_requests.list_pulls,
        (
            Flag(("--source-branch", "-s")),
            Flag(("--target-branch", "-t")),
            *_needed("--status", "--top", "--repository"),
        ),
    ),
    ("repos", "pr", "show"): (pull_requests.show_pull, _needed("--id")),
    ("repos", "pr", "create"): (
        pull_requests.create_pull,
        (
            Flag(("--source-branch", "-s")),
            Flag(("--target-branch", "-t")),
            Flag(("--description", "-d"), Takes.VALUES),
            Flag(("--labels",), Takes.VALUES),
            *_needed("--title", "--draft", "--repository"),
        ),
    ),
    ("repos", "pr", "update"): (
        pull_requests.update_pull,
        (
            Flag(("--description", "-d"), Takes.VALUES),
            *_needed("--id", "--title", "--status", "--draft", "--squash", "--delete-source-branch"),
            *_needed("--merge-commit-message", "--bypass-policy", "--bypass-policy-reason"),
        ),
    ),
    ("repos", "pr", "set-vote"): (pull_requests.vote, _needed("--id", "--vote")),
    ("repos", "show"): (settings.show_repository, (Flag(("--repository", "-r")),)),
    ("repos", "policy", "list"): (settings.list_policies, _needed("--branch", "--repository-id")),
    ("repos", "policy", "approver-count", "create"): (
        settings.create_approver_count,
        (
            *POLICY,
            *_needed(
                "--minimum-approver-count", "--creator-vote-counts", "--allow-downvotes", "--reset-on-source-push"
            ),
        ),
    ),
    ("repos", "policy", "build", "create"): (
        settings.create_build,
        (
            *POLICY,
            *_needed("--build-definition-id", "--display-name", "--manual-queue-only"),
            *_needed("--queue-on-source-update-only", "--valid-duration"),
        ),
    ),
    ("repos", "policy", "required-reviewer", "create"): (
        settings.create_required_reviewer,
        (*POLICY, *_needed("--required-reviewer-ids", "--message", "--path-filter")),
    ),
    ("devops", "service-endpoint", "list"): (settings.list_endpoints, ()),
    ("devops", "invoke"): (
        settings.invoke,
        (
            Flag(("--route-parameters",), Takes.VALUES),
            Flag(("--query-parameters",), Takes.VALUES),
            *_needed("--area", "--resource", "--http-method", "--in-file", "--api-version", "--media-type"),
        ),
    ),
    ("pipelines", "list"): (settings.list_pipelines, _needed("--name")),
    ("pipelines", "show"): (settings.show_pipeline, _needed("--id")),
    ("pipelines", "run"): (
        settings.run_pipeline,
        (Flag(("--parameters",), Takes.VALUES), *_needed("--name", "--id", "--branch")),
    ),
}
