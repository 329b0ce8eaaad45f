"""`gh` as a program: the commands and flags of GitHub's command line that this project and its tests use.

Messages and exit codes are those of gh 2: 1 for a refusal or an unknown flag, 4 without a login.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from fake_git_host.errors import Refusal, Usage
from fake_git_host.flags import Flag, MissingValue, Parsed, Takes, UnknownFlag, parse
from fake_git_host.gh import api, attestation
from fake_git_host.gh.pull_requests import (
    close_pull,
    comment_pull,
    create_pull,
    edit_pull,
    list_pulls,
    merge_pull,
    require_own_repository,
    review_pull,
    view_pull,
)
from fake_git_host.state import State, changing, now

UNAUTHENTICATED = 4
_NOT_LOGGED_IN = "To get started with GitHub CLI, please run:  gh auth login\nAlternatively, populate the GH_TOKEN " + (
    "environment variable with a GitHub API authentication token."
)
_BAD_TOKEN = "HTTP 401: Bad credentials (https://api.github.com/graphql)\nTry authenticating with:  gh auth login"
_NO_TOKEN_IN_ACTIONS = (
    "gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable. Example:\n"
    "  env:\n    GH_TOKEN: ${{ github.token }}"
)

REPOSITORY = Flag(("--repo", "-R"))
TITLE = Flag(("--title", "-t"))
BODY = Flag(("--body", "-b"))
BODY_FILE = Flag(("--body-file", "-F"))
JSON = Flag(("--json",))
BASE = Flag(("--base", "-B"))
DELETE_BRANCH = Flag(("--delete-branch", "-d"), Takes.NOTHING)


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        words, handler, flags = _command(arguments)
        parsed = _parsed(words, arguments[len(words) :], flags)
        with changing(folder) as state:
            answer = handler(state, parsed, _actor(state))
    except Refusal as refusal:
        if refusal.body:
            print(refusal.body)
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    if answer:
        print(answer)
    return 0


def _command(arguments: Sequence[str]) -> tuple[tuple[str, ...], Handler, tuple[Flag, ...]]:
    for length in (2, 1):
        words = tuple(arguments[:length])
        if words in COMMANDS:
            return (words, *COMMANDS[words])
    known = {words[0] for words in COMMANDS}
    if arguments and arguments[0] in known:
        name = f"gh {arguments[0]}"
        raise Usage(f'unknown command "{" ".join(arguments[1:2])}" for "{name}" (or one that is not modelled here)')
    raise Usage(f'unknown command "{" ".join(arguments[:1])}" for "gh" (or one that is not modelled here)')


def _parsed(words: Sequence[str], rest: Sequence[str], flags: tuple[Flag, ...]) -> Parsed:
    usage = f"\n\nUsage:  gh {' '.join(words)} [flags]"
    try:
        return parse(rest, flags)
    except UnknownFlag as error:
        kind = "unknown flag" if str(error).startswith("--") else "unknown shorthand flag"
        raise Usage(f"{kind}: {error} (or one that is not modelled here){usage}") from error
    except MissingValue as error:
        raise Usage(f"flag needs an argument: {error}{usage}") from error


def _actor(state: State) -> str:
    """The user of the token in the environment, else the one who is logged in. Raises Refusal for neither."""
    token = os.environ.get("GH_TOKEN") or os.environ.get("GITHUB_TOKEN")
    if token:
        if token not in state.tokens:
            raise Refusal(_BAD_TOKEN)
        return state.tokens[token]
    if os.environ.get("GITHUB_ACTIONS"):
        raise Refusal(_NO_TOKEN_IN_ACTIONS, UNAUTHENTICATED)
    if state.logged_in is None:
        raise Refusal(_NOT_LOGGED_IN, UNAUTHENTICATED)
    return state.logged_in


def _workflow_run(state: State, parsed: Parsed, actor: str) -> str:
    require_own_repository(state, parsed)
    if len(parsed.words) != 1:
        raise Refusal("workflow ID, name, or filename required when not running interactively")
    pairs = [*parsed.values.get("--field", []), *parsed.values.get("--raw-field", [])]
    inputs = dict(pair.partition("=")[::2] for pair in pairs)
    branch = parsed.one("--ref") or state.branch
    state.runs.append({"what": parsed.words[0], "branch": branch, "inputs": inputs, "actor": actor, "when": now()})
    return ""


def _auth_status(state: State, parsed: Parsed, actor: str) -> str:
    return f"github.com\n  ✓ Logged in to github.com account {actor}"


Handler = Callable[[State, Parsed, str], str]
COMMANDS: dict[tuple[str, ...], tuple[Handler, tuple[Flag, ...]]] = {
    ("pr", "list"): (
        list_pulls,
        (
            REPOSITORY,
            JSON,
            BASE,
            Flag(("--head", "-H")),
            Flag(("--state", "-s")),
            Flag(("--limit", "-L")),
            Flag(("--author", "-A")),
            Flag(("--label", "-l"), Takes.REPEATED),
        ),
    ),
    ("pr", "view"): (view_pull, (REPOSITORY, JSON)),
    ("pr", "create"): (
        create_pull,
        (
            REPOSITORY,
            TITLE,
            BODY,
            BODY_FILE,
            BASE,
            Flag(("--head", "-H")),
            Flag(("--draft", "-d"), Takes.NOTHING),
            Flag(("--label", "-l"), Takes.REPEATED),
        ),
    ),
    ("pr", "edit"): (edit_pull, (REPOSITORY, TITLE, BODY, BODY_FILE, BASE, Flag(("--add-label",), Takes.REPEATED))),
    ("pr", "merge"): (
        merge_pull,
        (
            REPOSITORY,
            BODY,
            BODY_FILE,
            DELETE_BRANCH,
            Flag(("--merge", "-m"), Takes.NOTHING),
            Flag(("--squash", "-s"), Takes.NOTHING),
            Flag(("--admin",), Takes.NOTHING),
            Flag(("--subject", "-t")),
            Flag(("--match-head-commit",)),
        ),
    ),
    ("pr", "close"): (close_pull, (REPOSITORY, DELETE_BRANCH, Flag(("--comment", "-c")))),
    ("pr", "review"): (
        review_pull,
        (
            REPOSITORY,
            BODY,
            BODY_FILE,
            Flag(("--approve", "-a"), Takes.NOTHING),
            Flag(("--request-changes", "-r"), Takes.NOTHING),
            Flag(("--comment", "-c"), Takes.NOTHING),
        ),
    ),
    ("pr", "comment"): (comment_pull, (REPOSITORY, BODY, BODY_FILE)),
    ("workflow", "run"): (
        _workflow_run,
        (
            REPOSITORY,
            Flag(("--ref", "-r")),
            Flag(("--field", "-F"), Takes.REPEATED),
            Flag(("--raw-field", "-f"), Takes.REPEATED),
        ),
    ),
    ("auth", "status"): (_auth_status, ()),
    ("api",): (api.call, api.FLAGS),
    ("attestation", "verify"): (attestation.verify_attestation, attestation.FLAGS),
}
