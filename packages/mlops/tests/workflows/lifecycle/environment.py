"""A team's environment for one CI system: a git host with a protected main branch, a cloud, CI, a developer.

People change main through pull requests only, and each event replays every workflow that it triggers. What the
workflows do is up to their files.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from fake_git_host import FakeAzureDevOps, FakeGitHost, FakeGitHub
from fake_git_host.gh.pull_requests import BOT
from fake_git_host.rules import BUILD, MINIMUM_REVIEWERS
from fake_git_host.state import PullRequest as Proposal
from prefork_programs import run_module
from prefork_uv import PreforkUv

from workflow_replay import azure, github
from workflow_replay.approvals import Approval, ApprovalRequest
from workflow_replay.azure.builtin_tasks import service_connections
from workflow_replay.azure.pipeline.triggers import BuildValidation
from workflow_replay.concurrency import ConcurrencyGroups
from workflow_replay.effects import Effect, EffectContext, EffectFailed, Effects, no_op, with_variables
from workflow_replay.events import Event, Manual, PullRequest, Push, Schedule
from workflow_replay.github.builtin_actions.identity import azure_login, subject
from workflow_replay.host_environment import HostEnvironment
from workflow_replay.result import Run, StepRun
from workflow_replay.tokens import TokenRequest

from .project_copy import Server, copy_project

MAIN: Final = "main"
MAIN_REF: Final = f"refs/heads/{MAIN}"
System = Literal["github", "azure"]
# Identities and the environment (GitHub) or the jobs' environment (Azure DevOps) that may use them; None: any job.
IDENTITIES: Final[Mapping[str, str | None]] = {
    "dev": None, "staging": "staging", "prod": "prod", "gate": None, "promotion": None,
}  # fmt: skip
# Checks that branch protection requires: jobs on GitHub, a pipeline in Azure DevOps.
CHECKS: Final[Mapping[System, tuple[str, ...]]] = {"github": ("check", "gate"), "azure": ("azure-pipelines",)}
POLICIES: Final = {
    "azure-pipelines.yml": BuildValidation(),
    ".azuredevops/infra-preview.yml": BuildValidation(path_filter="/infra/*"),
}
_TIMEOUT_SECONDS: Final = 700
_LOG_LINES: Final = 40


@dataclass
class LifecycleEnvironment:
    """A git host, a cloud, a `uv`, a developer's clone, and the environments approved so far."""

    system: System
    git_host: FakeGitHost
    uv: PreforkUv
    cloud: Mapping[str, str]
    clone: Path
    approved: list[str] = field(default_factory=list)
    _concurrency: ConcurrencyGroups = field(default_factory=ConcurrencyGroups)

    def git(self, *words: str) -> str:
        """Run git in the developer's clone; return its output."""
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        return self._run("git", *identity, *words).strip()

    def propose(self, branch: str, files: Mapping[str, str], message: str) -> Proposal:
        """The developer changes files on a branch and opens a pull request."""
        self.git("switch", "--quiet", "--create", branch)
        for name, text in files.items():
            (self.clone / name).write_text(text)
        self.mlops("check", "--fix")
        self.git("commit", "--quiet", "--all", "--message", message)
        self.git("push", "--quiet", "origin", branch)
        if self.system == "github":
            self._run("gh", "pr", "create", "--head", branch, "--title", message, "--body", "")
        else:
            branches = ("--source-branch", branch, "--target-branch", MAIN)
            self._run("az", "repos", "pr", "create", *branches, "--title", message)
        return self.git_host.open_pull_requests()[0]

    def pull(self) -> None:
        """The developer updates main."""
        self.git("fetch", "--quiet", "origin", MAIN)
        self.git("switch", "--quiet", MAIN)
        self.git("merge", "--quiet", "--ff-only", f"origin/{MAIN}")

    def mlops(self, *words: str) -> str:
        """Run a command that must succeed as the developer, who is logged in to the cloud; return its output."""
        done = run_module("mlops", *words, folder=self.clone, variables={**self.git_host.variables(), **self.cloud})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def check(self, proposal: Proposal) -> tuple[Run, ...]:
        """CI checks a pull request, and reports the results to the git host."""
        event = PullRequest(proposal.head, MAIN, number=proposal.number, title=proposal.title, body=proposal.body)
        runs = self._replay_all(event)
        for name, conclusion in self._checks(runs).items():
            self.git_host.report_check(proposal.number, name, conclusion)
        return runs

    def accept(self, proposal: Proposal) -> tuple[Run, ...]:
        """A reviewer approves and merges, and CI runs what a push to main triggers."""
        before = self.git_host.tip()
        self.git_host.approve(proposal.number)
        self.git_host.merge(proposal.number)
        return self._replay_all(Push(MAIN_REF, before))

    def replay(self, workflow: str, event: Schedule | Manual) -> Run:
        """Replay one workflow that runs on a schedule or manually."""
        bare, host = self.git_host.bare.folder, self._host()
        if self.system == "github":
            return github.replay(bare, f".github/workflows/{workflow}.yml", event, host)
        return azure.replay(bare, f".azuredevops/{workflow}.yml", event, host)

    def _replay_all(self, event: Event) -> tuple[Run, ...]:
        bare, host = self.git_host.bare.folder, self._host()
        if self.system == "github":
            return github.replay_all(bare, event, host)
        return azure.replay_all(bare, event, host, policies=POLICIES)

    def _checks(self, runs: tuple[Run, ...]) -> dict[str, str]:
        if self.system == "github":
            return {job.name: job.conclusion for run in runs for job in run.jobs if job.name in CHECKS["github"]}
        return {run.name: run.conclusion for run in runs}

    def _run(self, *command: str) -> str:
        environ = {**os.environ, **self.git_host.variables()}
        done = subprocess.run(
            command, cwd=self.clone, env=environ, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _host(self) -> HostEnvironment:
        state, variables = self.git_host.state, self.git_host.variables()
        path = f"{self.uv.programs}{os.pathsep}{variables['PATH']}"
        is_github = self.system == "github"
        host = HostEnvironment(
            environ={**variables, "HOME": str(self.clone.parent), "PATH": path},
            effects=Effects(github_effects(self.cloud) if is_github else azure_effects(self.cloud)),
            approvals=self._approve,
            tokens=self._token,
            concurrency=self._concurrency,
            remote_url=self.git_host.address,
            # Provenance names builders by this URL; git, gh and az reach the fake.
            server_url="https://github.com" if is_github else "https://dev.azure.com",
            owner=state.owner,
            name=state.name if is_github else state.project,
        )
        if is_github:
            return replace(host, environment_variables={name: identity(name) for name in IDENTITIES})
        return replace(host, environment_variables={"infra": {"PULUMI_BACKEND_URL": "azblob://state"}})

    def _approve(self, request: ApprovalRequest) -> Approval:
        self.approved.append(request.environment)
        return Approval(approved=True)

    def _token(self, request: TokenRequest) -> str:
        return self.git_host.token(BOT)


def identity(name: str) -> dict[str, str]:
    """The variables of a GitHub environment."""
    return {f"AZURE_{key}_ID": f"{key.lower()}-of-{name}" for key in ("CLIENT", "TENANT", "SUBSCRIPTION")}


def github_effects(cloud: Mapping[str, str]) -> dict[str, Effect]:
    """A login that, like Azure, accepts each identity only from its own environment."""

    def log_in(inputs: Mapping[str, str], context: EffectContext) -> Mapping[str, str]:
        expected = identity(context.environment or "")["AZURE_CLIENT_ID"]
        if inputs["client-id"] != expected:
            raise EffectFailed(f"AADSTS700213: {subject(context)} is not a subject of {inputs['client-id']}")
        return cloud

    return {"azure/login": azure_login(log_in), "astral-sh/setup-uv": no_op}


def azure_effects(cloud: Mapping[str, str]) -> dict[str, Effect]:
    """Service connections, each for its environment."""
    log_in = service_connections(IDENTITIES)["AzureCLI"]
    return {"AzureCLI": with_variables(log_in, cloud), "UsePythonVersion": no_op}


def create_environment(
    system: System, server: Server, folder: Path, uv: PreforkUv, cloud: Mapping[str, str]
) -> LifecycleEnvironment:
    """A protected git host with the project on main, whose endpoints run `server`, and a developer's clone."""
    host_class = FakeGitHub if system == "github" else FakeAzureDevOps
    git_host = host_class.make(folder / "host")
    clone = folder / "clone"
    subprocess.run(["git", "init", "--quiet", "--initial-branch", MAIN, str(clone)], check=True)
    copy_project(clone, server)
    environment = LifecycleEnvironment(system, git_host, uv, cloud, clone)
    environment.git("remote", "add", "origin", git_host.address)
    environment.mlops("check", "--fix")
    environment.git("add", "--all")
    environment.git("commit", "--quiet", "--message", "Initial commit")
    environment.git("push", "--quiet", "--set-upstream", "origin", MAIN)
    git_host.protect()
    _require_review(git_host, CHECKS[system])
    return environment


def _require_review(git_host: FakeGitHost, checks: tuple[str, ...]) -> None:
    """Require one approval and all checks before a merge."""
    if isinstance(git_host, FakeGitHub):
        review = {"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": True}
        required = [{"context": name} for name in checks]
        rules: list[dict[str, Any]] = [
            {"type": "pull_request", "parameters": review},
            {"type": "required_status_checks", "parameters": {"required_status_checks": required}},
        ]
        git_host.set_document(f"rules/branches/{MAIN}", rules)
        return

    def policy(kind: str, **settings: Any) -> dict[str, Any]:
        return {"isEnabled": True, "isBlocking": True, "type": {"id": kind}, "settings": settings}

    reviewers = policy(MINIMUM_REVIEWERS, minimumApproverCount=1, resetOnSourcePush=True)
    git_host.set_document("policies", [reviewers, *(policy(BUILD, displayName=name) for name in checks)])


def failure_report(run: Run) -> str:
    """How a run failed, for the message of an assertion."""
    steps = [step for step in run.steps() if step.conclusion == "failure"]
    return "\n".join([f"{run.file}: {run.conclusion} {run.reason}", *map(_step_report, steps)])


def _step_report(step: StepRun) -> str:
    messages = [annotation.message for annotation in step.annotations]
    return "\n".join([f"  {step.name}:", *(f"    {line}" for line in (*messages, *step.output[-_LOG_LINES:]))])
