"""What `gh pr …` does and says. Which flags each command takes stands in gh.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fake_git_host import pulls
from fake_git_host.errors import Refusal
from fake_git_host.flags import Parsed
from fake_git_host.gh.fields import FIELDS, render
from fake_git_host.pulls import PullRefused
from fake_git_host.rules import APPROVED, CHANGES_REQUESTED
from fake_git_host.state import PullRequest, State

BOT = "github-actions[bot]"
BODY_LIMIT = 65_536
_NOT_PERMITTED = "GitHub Actions is not permitted to create or approve pull requests"
_DEFAULT_LIMIT = 30
_STATES = {
    "open": {"OPEN"},
    "closed": {"CLOSED", "MERGED"},
    "merged": {"MERGED"},
    "all": {"OPEN", "CLOSED", "MERGED"},
}


def _found(state: State, parsed: Parsed) -> PullRequest:
    """The pull request that a command names: by number, address or branch. Raises Refusal."""
    require_own_repository(state, parsed)
    if len(parsed.words) != 1:
        raise Refusal("argument required when not on the branch of a pull request (the checkout is not modelled here)")
    word = parsed.words[0].rsplit("/pull/", 1)[-1].removeprefix("#")
    named = [pull for pull in state.pulls if word in (str(pull.number), pull.head)]
    if not named:
        number = f"GraphQL: Could not resolve to a PullRequest with the number of {word}. (repository.pullRequest)"
        raise Refusal(number if word.isdecimal() else f'no pull requests found for branch "{word}"')
    return next((pull for pull in named if pull.state == "OPEN"), named[-1])


def require_own_repository(state: State, parsed: Parsed) -> None:
    """Raise Refusal when `--repo` names another one."""
    wanted = parsed.one("--repo")
    if wanted is not None and wanted.rpartition("github.com/")[2] != f"{state.owner}/{state.name}":
        raise Refusal(f"GraphQL: Could not resolve to a Repository with the name '{wanted}'. (repository)")


def _body(parsed: Parsed) -> str | None:
    if not parsed.has("--body-file"):
        return parsed.one("--body")
    file = parsed.needed("--body-file")
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    if len(text) > BODY_LIMIT:
        raise Refusal(f"GraphQL: Body is too long (maximum is {BODY_LIMIT} characters)")
    return text


def _fields(parsed: Parsed) -> list[str] | None:
    wanted = parsed.one("--json")
    if wanted is None:
        return None
    fields = wanted.split(",")
    unknown = [each for each in fields if each not in FIELDS]
    if unknown:
        raise Refusal(f'Unknown JSON field: "{unknown[0]}"\nAvailable fields:\n  ' + "\n  ".join(sorted(FIELDS)))
    return fields


def _url(state: State, pull: PullRequest) -> str:
    return f"https://github.com/{state.owner}/{state.name}/pull/{pull.number}"


def list_pulls(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr list`."""
    require_own_repository(state, parsed)
    wanted = parsed.one("--state") or "open"
    if wanted not in _STATES:
        choice = "{open|closed|merged|all}"
        raise Refusal(f'invalid argument "{wanted}" for "-s, --state" flag: valid values are {choice}')
    chosen = [
        pull
        for pull in reversed(state.pulls)
        if pull.state in _STATES[wanted]
        and parsed.one("--head", pull.head) == pull.head
        and parsed.one("--base", pull.base) == pull.base
        and set(parsed.values.get("--label", [])) <= set(pull.labels)
        and parsed.one("--author", pull.author) == pull.author
    ][: int(parsed.one("--limit") or _DEFAULT_LIMIT)]
    fields = _fields(parsed)
    if fields is None:
        return "\n".join(f"{pull.number}\t{pull.title}\t{pull.head}\t{pull.state}\t{pull.created}" for pull in chosen)
    return json.dumps([render(state, pull, fields, _url(state, pull)) for pull in chosen])


def view_pull(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr view`."""
    pull = _found(state, parsed)
    fields = _fields(parsed)
    if fields is not None:
        return json.dumps(render(state, pull, fields, _url(state, pull)))
    return (
        f"title:\t{pull.title}\nstate:\t{pull.state}\nauthor:\t{pull.author}\nnumber:\t{pull.number}\n--\n{pull.body}"
    )


def create_pull(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr create`."""
    require_own_repository(state, parsed)
    title, body, head = parsed.one("--title"), _body(parsed), parsed.one("--head")
    if title is None or body is None:
        raise Refusal(
            "must provide `--title` and `--body` when not running interactively (--fill is not modelled here)"
        )
    if head is None:
        raise Refusal("aborted: you must first push the current branch to a remote, or use the --head flag")
    allowed = state.documents.get("actions/permissions/workflow", {}).get("can_approve_pull_request_reviews", True)
    if actor == BOT and not allowed:
        raise Refusal(f"pull request create failed: GraphQL: {_NOT_PERMITTED} (createPullRequest)")
    base = parsed.one("--base") or state.branch
    try:
        pull = pulls.create(state, head, base, title, body, actor, is_draft=parsed.has("--draft"))
    except PullRefused as refused:
        raise _create_refusal(state, refused, head, base) from refused
    pull.labels += parsed.values.get("--label", [])
    return _url(state, pull)


def _create_refusal(state: State, refused: PullRefused, head: str, base: str) -> Refusal:
    if refused.kind == "twin":
        twin = state.pull(int(str(refused)))
        address = _url(state, twin) if twin else ""
        return Refusal(f'a pull request for branch "{head}" into branch "{base}" already exists:\n{address}')
    sentence = {
        "head": f"Head sha can't be blank, Base sha can't be blank, No commits between {base} and {head}, "
        "Head ref must be a branch (createPullRequest)",
        "base": "Base ref must be a branch (createPullRequest)",
    }.get(refused.kind, f"{refused} (createPullRequest)")
    return Refusal(f"pull request create failed: GraphQL: {sentence}")


def edit_pull(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr edit`."""
    pull = _found(state, parsed)
    body = _body(parsed)
    pull.title = parsed.one("--title") or pull.title
    pull.body = pull.body if body is None else body
    pull.base = parsed.one("--base") or pull.base
    pull.labels += [each for each in parsed.values.get("--add-label", []) if each not in pull.labels]
    return _url(state, pull)


def merge_pull(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr merge`."""
    pull = _found(state, parsed)
    ways = [way for way in ("--merge", "--squash") if parsed.has(way)]
    if len(ways) != 1:
        raise Refusal("--merge, --rebase, or --squash required when not running interactively (not modelled: --rebase)")
    wanted = parsed.one("--match-head-commit")
    if wanted is not None and wanted != pulls.head_commit(state, pull):
        raise Refusal("GraphQL: Head branch was modified. Review and try the merge again. (mergePullRequest)")
    squash = ways == ["--squash"]
    merged = f"Merge pull request #{pull.number} from {state.owner}/{pull.head}"
    subject = parsed.one("--subject") or (f"{pull.title} (#{pull.number})" if squash else merged)
    body = _body(parsed)
    message = f"{subject}\n\n{body if body is not None else pull.title}\n"
    try:
        pulls.merge(state, pull, actor, message, squash=squash, by_force=parsed.has("--admin"))
    except PullRefused as refused:
        raise _merge_refusal(pull, refused) from refused
    if parsed.has("--delete-branch"):
        pulls.bare_of(state).delete(pull.head)
    return ""


def _merge_refusal(pull: PullRequest, refused: PullRefused) -> Refusal:
    if refused.kind == pulls.BLOCKED:
        why = f"the base branch policy prohibits the merge ({refused})"
        advice = "To have the pull request merged after all the requirements have been met, add the `--auto` flag."
        return Refusal(f"X Pull request #{pull.number} is not mergeable: {why}.\n{advice}")
    if refused.kind == pulls.NOT_MERGEABLE:
        return Refusal(f"X Pull request #{pull.number} is not mergeable: {refused}.")
    return Refusal(f"X Pull request #{pull.number} cannot be merged: {refused}")


def close_pull(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr close`."""
    pull = _found(state, parsed)
    if pull.state == "MERGED":
        raise Refusal(f"X Pull request #{pull.number} ({pull.title}) can't be closed because it was already merged")
    if parsed.has("--comment"):
        pulls.comment(pull, actor, parsed.needed("--comment"))
    pulls.close(state, pull)
    if parsed.has("--delete-branch"):
        pulls.bare_of(state).delete(pull.head)
    return ""


def review_pull(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr review`."""
    pull = _found(state, parsed)
    verdicts = {"--approve": APPROVED, "--request-changes": CHANGES_REQUESTED, "--comment": "COMMENTED"}
    chosen = [verdict for flag, verdict in verdicts.items() if parsed.has(flag)]
    if len(chosen) != 1:
        raise Refusal("need exactly one of --approve, --request-changes, or --comment")
    body = _body(parsed) or ""
    if chosen != [APPROVED] and not body:
        raise Refusal("body cannot be blank for request-changes or comment review")
    try:
        pulls.review(state, pull, actor, chosen[0], body)
    except PullRefused as refused:
        raise Refusal(f"failed to create review: GraphQL: {refused} (addPullRequestReview)") from refused
    return ""


def comment_pull(state: State, parsed: Parsed, actor: str) -> str:
    """`gh pr comment`."""
    pull = _found(state, parsed)
    body = _body(parsed)
    if not body:
        raise Refusal("flags required when not running interactively: --body, --body-file, or --web")
    pulls.comment(pull, actor, body)
    return f"{_url(state, pull)}#issuecomment-{len(pull.comments)}"
