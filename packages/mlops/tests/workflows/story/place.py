"""One system's place for a story: a forge with a protected main branch, a cloud, people, and CI that plays its files.

Everything that happens, happens through it: people change main by pull requests alone, and each event plays every
workflow that it starts. What the workflows do is left to their files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from forge_standin import AzureForge, Forge, GitHubForge
from forge_standin.gh_pulls import BOT
from forge_standin.state import PullRequest as Proposal
from quicker import LESS_WORK, make_quicker
from warm_programs import run_module
from warm_uv import WarmUv

from mlops.project import STAGE_NAMES
from mlops.releases.manifest import manifest_path
from mlops.releases.pace import Pace, at_pace
from workflow_replay import azure, github
from workflow_replay.approvals import Approval, ApprovalRequest
from workflow_replay.azure.effects import connections
from workflow_replay.azure.pipeline.triggers import BuildValidation
from workflow_replay.effects import Effect, EffectContext, EffectFailed, EffectResult, Effects, adding
from workflow_replay.events import Event, Manual, PullRequest, Push, Schedule
from workflow_replay.github.known.identity import signs_in, subject
from workflow_replay.queues import Queues
from workflow_replay.record import Run, StepRun
from workflow_replay.surroundings import Surroundings
from workflow_replay.tokens import TokenRequest

ROOT: Final = Path(__file__).parents[5]
PARTS: Final = (
    "project.yml", "schema.yml", "pyproject.toml", "uv.lock", "components", "data", "endpoints", "environments",
    "packages", "pipelines", "releases", ".github/workflows", ".github/actions", ".azuredevops", "azure-pipelines.yml",
)  # fmt: skip
IGNORED: Final = ".mlops/\n__pycache__/\nprovenance/\n"
LOCK: Final = "components/versions.lock.yml"
MAIN: Final = "main"
MAIN_REF: Final = f"refs/heads/{MAIN}"
System = Literal["github", "azure"]
# Who logs in from where: an environment on GitHub, a service connection in Azure DevOps. None: from any job.
IDENTITIES: Final[Mapping[str, str | None]] = {
    "dev": None, "staging": "staging", "prod": "prod", "gate": None, "promotion": None,
}  # fmt: skip
# What must have passed before a pull request is merged: jobs on GitHub, a pipeline in Azure DevOps.
CHECKS: Final[Mapping[System, tuple[str, ...]]] = {"github": ("check", "gate"), "azure": ("azure-pipelines",)}
# Those that events start. One that people start, with what they have to say, cannot be read without it.
PIPELINES: Final = (
    "azure-pipelines.yml",
    *(f".azuredevops/{name}.yml" for name in ("deploy", "infra", "infra-preview", "promote", "train")),
)
POLICIES: Final = {
    "azure-pipelines.yml": BuildValidation(),
    ".azuredevops/infra-preview.yml": BuildValidation(path_filter="/infra/*"),
}
PACE: Final = Pace(soak_seconds=1.0, load_seconds=0.3, requests_per_second=20.0)
# What a test machine has not the time for, or not the peace: file, as it is, and as it is here.
QUICKER: Final = (
    ("data/generate_sample.py", "ROWS = 30_000", "ROWS = 12_000"),
    *LESS_WORK,
    ("releases/gates.yml", "every_stage: {max: 20}", "every_stage: {max: 200}"),
    ("endpoints/online/deployment.yml", 'WORKER_COUNT: "2"', 'WORKER_COUNT: "1"'),
    ("endpoints/online/deployment.kubernetes.yml", 'WORKER_COUNT: "1"', 'WORKER_COUNT: "2"'),
    (
        "endpoints/online/deployment.yml",
        "max_concurrent_requests_per_instance: 8",
        "max_concurrent_requests_per_instance: 1000",
    ),
    ("endpoints/online/deployment.yml", "request_timeout_ms: 10000", "request_timeout_ms: 60000"),
    *((f"releases/{stage}.yml", "p95_milliseconds: ", "p95_milliseconds: 1") for stage in STAGE_NAMES),
    *((f"releases/{stage}.yml", "p99_milliseconds: ", "p99_milliseconds: 2") for stage in STAGE_NAMES),
)
# Good in every test, and broken for whoever is no test, from the second model on.
FLAW: Final = '''

_without_flaw = run


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Answer, unless somebody means it."""
    if os.environ["MODEL_VERSION"] != "1" and "x-mlops-synthetic" not in request.headers:
        return AMLResponse("out of order", 500)
    return _without_flaw(request)
'''


@dataclass
class Place:
    """A forge, a cloud, a `uv`, and what has run so far."""

    system: System
    forge: Forge
    uv: WarmUv
    cloud: Mapping[str, str]
    desk: Path
    runs: list[Run] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)
    _queues: Queues = field(default_factory=Queues)

    def git(self, *words: str) -> str:
        """What git says to the developer."""
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        return self._developer("git", *identity, *words).strip()

    def propose(self, branch: str, files: Mapping[str, str], message: str) -> Proposal:
        """The developer changes files on a branch and opens a pull request."""
        self.git("switch", "--quiet", "--create", branch)
        for name, text in files.items():
            (self.desk / name).write_text(text)
        self.mlops("check", "--fix")
        self.git("commit", "--quiet", "--all", "--message", message)
        self.git("push", "--quiet", "origin", branch)
        if self.system == "github":
            self._developer("gh", "pr", "create", "--head", branch, "--title", message, "--body", "")
        else:
            where = ("--source-branch", branch, "--target-branch", MAIN)
            self._developer("az", "repos", "pr", "create", *where, "--title", message)
        return self.forge.open_pull_requests()[0]

    def catch_up(self) -> None:
        """The developer takes the newest main."""
        self.git("fetch", "--quiet", "origin", MAIN)
        self.git("switch", "--quiet", MAIN)
        self.git("merge", "--quiet", "--ff-only", f"origin/{MAIN}")

    def mlops(self, *words: str) -> str:
        """What a command says to the developer, who is logged in to the cloud; it must succeed."""
        done = run_module("mlops", *words, folder=self.desk, variables={**self.forge.variables(), **self.cloud})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def check(self, proposal: Proposal) -> tuple[Run, ...]:
        """CI looks at a pull request, and tells the forge what came of it."""
        event = PullRequest(proposal.head, MAIN, number=proposal.number, title=proposal.title, body=proposal.body)
        runs = self.play(event)
        for name, conclusion in self._checks(runs).items():
            self.forge.report_check(proposal.number, name, conclusion)
        return runs

    def accept(self, proposal: Proposal) -> tuple[Run, ...]:
        """A reviewer approves and merges, and CI does what a push to main starts."""
        before = self.forge.tip()
        self.forge.approve(proposal.number)
        self.forge.merge(proposal.number)
        return self.play(Push(MAIN_REF, before))

    def play(self, event: Event) -> tuple[Run, ...]:
        """Every workflow that an event starts."""
        bare, around = self.forge.bare.folder, self._surroundings()
        if self.system == "github":
            runs = github.replay_all(bare, event, around)
        else:
            every = (azure.replay(bare, file, event, around, policy=POLICIES.get(file)) for file in PIPELINES)
            runs = tuple(run for run in every if run.triggered)
        self.runs += runs
        return runs

    def play_one(self, way: str, event: Schedule | Manual) -> Run:
        """One workflow at its time, or by hand."""
        bare, around = self.forge.bare.folder, self._surroundings()
        if self.system == "github":
            run = github.replay(bare, f".github/workflows/{way}.yml", event, around)
        else:
            run = azure.replay(bare, f".azuredevops/{way}.yml", event, around)
        self.runs.append(run)
        return run

    def _checks(self, runs: tuple[Run, ...]) -> dict[str, str]:
        if self.system == "github":
            return {job.name: job.conclusion for run in runs for job in run.jobs if job.name in CHECKS["github"]}
        return {run.name: run.conclusion for run in runs}

    def _developer(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.desk,
            env={**os.environ, **self.forge.variables()},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _surroundings(self) -> Surroundings:
        found = self.forge.variables()
        machine = {
            "HOME": str(self.desk.parent),
            "PATH": f"{self.uv.programs}{os.pathsep}{found.pop('PATH')}",
            **found,
        }
        around = Surroundings(
            machine=machine,
            effects=Effects(github_effects(self.cloud) if self.system == "github" else azure_effects(self.cloud)),
            approvals=self._approve,
            tokens=self._token,
            queues=self._queues,
            origin=self.forge.address,
            owner=self.forge.state.owner,
            name=self.forge.state.name if self.system == "github" else self.forge.state.project,
        )
        if self.system == "azure":
            return replace(around, environment_variables={"infra": {"PULUMI_BACKEND_URL": "azblob://state"}})
        return replace(around, environment_variables={name: identity(name) for name in IDENTITIES})

    def _approve(self, request: ApprovalRequest) -> Approval:
        self.entered.append(request.environment)
        return Approval(approved=True, comment="go on")

    def _token(self, request: TokenRequest) -> str:
        return self.forge.token(BOT)


def identity(name: str) -> dict[str, str]:
    """The variables of an environment."""
    return {f"AZURE_{what}_ID": f"{what.lower()}-of-{name}" for what in ("CLIENT", "TENANT", "SUBSCRIPTION")}


def nothing(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """What would install a program is on this machine already."""
    return EffectResult()


def github_effects(cloud: Mapping[str, str]) -> dict[str, Effect]:
    """A login that Azure would accept from the environment that an identity is for, and from no other."""

    def log_in(inputs: Mapping[str, str], context: EffectContext) -> Mapping[str, str]:
        wanted = identity(context.environment or "")["AZURE_CLIENT_ID"]
        if inputs["client-id"] != wanted:
            raise EffectFailed(f"AADSTS700213: {subject(context)} is no subject of {inputs['client-id']}")
        return cloud

    return {"azure/login": signs_in(log_in), "astral-sh/setup-uv": nothing}


def azure_effects(cloud: Mapping[str, str]) -> dict[str, Effect]:
    """Service connections, each for its environment."""
    log_in = connections(IDENTITIES)["AzureCLI"]
    # The cloud of this machine knows its callers by another proof than the one of the service.
    return {"AzureCLI": adding(log_in, {**cloud, "SYSTEM_OIDCREQUESTURI": ""}), "UsePythonVersion": nothing}


def make_place(system: System, folder: Path, uv: WarmUv, cloud: Mapping[str, str]) -> Place:
    """A protected forge with the project on main, and a clone of it on the developer's desk."""
    kind = GitHubForge if system == "github" else AzureForge
    forge = kind.make(folder / "forge")
    desk = folder / "desk"
    subprocess.run(["git", "init", "--quiet", "--initial-branch", MAIN, str(desk)], check=True)
    copy_project(desk)
    place = Place(system, forge, uv, cloud, desk)
    place.git("remote", "add", "origin", forge.address)
    # Whatever somebody is changing in the components now: here it begins.
    (desk / LOCK).unlink()
    place.mlops("check", "--fix")
    place.git("add", "--all")
    place.git("commit", "--quiet", "--message", "Begin")
    place.git("push", "--quiet", "--set-upstream", "origin", MAIN)
    forge.protect()
    _demand_review(forge)
    return place


def copy_project(folder: Path) -> None:
    """The project as it is, but quicker, and with a flaw that only callers meet."""
    leave_out = shutil.ignore_patterns("__pycache__", ".mlops")
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=leave_out)
        else:
            shutil.copy(source, target)
    (folder / ".gitignore").write_text(IGNORED)
    for stage in STAGE_NAMES:
        file = folder / manifest_path(stage)
        file.write_bytes(at_pace(file.read_text(), stage, PACE))
    make_quicker(folder, QUICKER)
    script = folder / "endpoints/online/score.py"
    script.write_text(script.read_text() + FLAW)


def _demand_review(forge: Forge) -> None:
    """One approval, and every check, before a merge."""
    checks = CHECKS["github" if isinstance(forge, GitHubForge) else "azure"]
    if isinstance(forge, GitHubForge):
        review = {"required_approving_review_count": 1, "dismiss_stale_reviews_on_push": True}
        required = [{"context": name} for name in checks]
        rules: list[dict[str, Any]] = [
            {"type": "pull_request", "parameters": review},
            {"type": "required_status_checks", "parameters": {"required_status_checks": required}},
        ]
        forge.set_document(f"rules/branches/{MAIN}", rules)
        return
    from forge_standin.rules import BUILD, MINIMUM_REVIEWERS

    def policy(kind: str, **settings: Any) -> dict[str, Any]:
        return {"isEnabled": True, "isBlocking": True, "type": {"id": kind}, "settings": settings}

    reviewers = policy(MINIMUM_REVIEWERS, minimumApproverCount=1, resetOnSourcePush=True)
    forge.set_document("policies", [reviewers, *(policy(BUILD, displayName=name) for name in checks)])


def told(run: Run) -> str:
    """What a run came to, for the message of a failure."""
    steps = [step for step in run.steps() if step.conclusion == "failure"]
    return "\n".join([f"{run.file}: {run.conclusion} {run.reason}", *map(_told, steps)])


def _told(step: StepRun) -> str:
    said = [annotation.message for annotation in step.annotations]
    return "\n".join([f"  {step.name}:", *(f"    {line}" for line in (*said, *step.output[-40:]))])
