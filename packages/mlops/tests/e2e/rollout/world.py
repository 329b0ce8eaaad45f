"""One stage of a project on an emulator: its releases, its rollouts, its faults and its callers."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import yaml
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from prefork_programs import start_module, start_script

from azureml_emulator.testing import RunningEmulator
from mlops.audit.log import AuditLog
from mlops.audit.record import Event
from mlops.azure.workspace import connect, connect_registry
from mlops.endpoint.client import address_of, call
from mlops.endpoint.view import TAG_BEFORE, View, observe
from mlops.rollout.deploy import DeployResult, deploy
from mlops.rollout.execute import write_change
from mlops.rollout.lease import Change
from mlops.settings.project import Project, load_project
from mlops.settings.stages import StageName
from model_package.package import package_digest

from .callers import Callers, counted
from .tiny_model import golden_request, write_package
from .tiny_project import FAULTS, MODEL, git, make_project

__all__ = ["MODEL", "World", "make_project"]

ASKING = Path(__file__).with_name("asking.py")
# Tells a hang from a machine that has much to do.
PATIENCE_SECONDS = 180.0
# Looking costs as much as a rollout does.
LOOK_EVERY_SECONDS = 0.15
# As many as ask without waiting for each other, where a machine can answer that many, and else a share of what it can.
MOST_CALLS_PER_SECOND = 50.0
CALLERS_SHARE = 0.25
TRIED = 10
ROLLOUT: dict[str, Any] = {
    "mirror_percentage": 20,
    "traffic_steps": [10, 50, 100],
    "soak_seconds": 0.3,
    "progress_deadline_seconds": PATIENCE_SECONDS,
    "load": {"requests_per_second": 40, "seconds": 0.3},
}
# As fast as a rollout can be.
AT_ONCE: dict[str, Any] = {
    "mirror_percentage": 0,
    "traffic_steps": [100],
    "soak_seconds": 0.0,
    "load": {"requests_per_second": 40, "seconds": 0.1},
}
# Far longer than a test takes: a step that soaks so long is one that the test can find and break.
LONG_SOAK_SECONDS = 150.0
# Wide enough for a busy machine; what is to break it has to be slow indeed.
SLO = {"p95_milliseconds": 2_500.0, "p99_milliseconds": 4_000.0, "error_rate": 0.01}


def soaking(*steps: int, seconds: float = LONG_SOAK_SECONDS) -> dict[str, Any]:
    """A rollout that goes to traffic at once and stays in each of its steps."""
    return AT_ONCE | {"soak_seconds": seconds, "traffic_steps": list(steps)}


@dataclass
class World:
    """One stage of a project: its folder, its endpoint, and the registered versions of the tiny model."""

    emulator: RunningEmulator
    folder: Path
    stage: StageName = "staging"
    digests: dict[str, str] = field(default_factory=dict)
    slo: dict[str, float] = field(default_factory=lambda: SLO)

    @property
    def log(self) -> Path:
        """What commands in processes of their own said."""
        return self.folder / ".mlops" / "commands.log"

    @property
    def project(self) -> Project:
        """Its settings, read anew."""
        return load_project(self.folder)

    @property
    def endpoint(self) -> str:
        """The stage's endpoint."""
        return self.project.settings.stage(self.stage).online_endpoint

    @property
    def manifest(self) -> Path:
        """The stage's release."""
        return self.folder / "releases" / f"{self.stage}.yml"

    def __post_init__(self) -> None:
        self.client: MLClient = connect(self.project.settings.stage(self.stage))
        self.log.parent.mkdir(exist_ok=True)

    def view(self) -> View:
        """The endpoint now."""
        return observe(self.client, self.endpoint)

    def register(self, version: str, *, ran: bool = True) -> str:
        """Put a version of the model, with other weights than the others, into the registry; its digest.

        `ran`: the stage that its releases come from has run it, as a rollout asks.
        """
        package = self.folder / ".mlops" / "packages" / version
        write_package(package, bias=-1.0 - 0.1 * int(version))
        self.digests[version] = package_digest(package)
        model = Model(name=MODEL, version=version, type="custom_model", path=str(package))
        connect_registry(self.project.settings.registry).models.create_or_update(model)
        digest = self.digests[version]
        if ran:
            event = Event(kind="rollout", stage="dev", step="finish", model=MODEL, version=version, digest=digest)
            AuditLog(connect(self.project.settings.stage("dev"))).append(event)
        return digest

    def release(self, version: str, digest: str | None = None, **rollout: Any) -> None:
        """Write the stage's manifest; `rollout` says what is other than usual in it."""
        source = {
            "stage": "dev",
            "job": "polite_fox_1",
            "git_commit": "unknown",
            "data": {"name": "late", "version": "1", "sha256": "unknown"},
        }
        model = {"name": MODEL, "version": version, "digest": digest or self.digests[version]}
        manifest = {
            "format": 1,
            "rollout": ROLLOUT | rollout,
            "slo": self.slo,
            "release": {"model": model, "source": source},
        }
        self.manifest.write_text(yaml.safe_dump(manifest))

    def commit(self, message: str) -> None:
        """Commit the release."""
        git(self.folder, "add", "releases")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", message)

    def revert(self) -> None:
        """Take the last release back, as people do."""
        git(self.folder, "revert", "--no-edit", "HEAD")

    def settle(self, version: str, before: str | None = None) -> None:
        """Heal all, and see to it that a version is live alone and whole; `before` stands by without traffic."""
        self.fault()
        for each in (before, version):
            if each is not None and not self.is_up(each):
                self.release(each, **AT_ONCE)
                self.deploy()
        tags = {TAG_BEFORE: self.name_of(before)} if before else {}
        write_change(self.client, self.endpoint, Change({self.name_of(version): 100}, {}, tags))
        assert self.live_version() == version

    def is_up(self, version: str) -> bool:
        """Whether a version is deployed and answers, within the time that a server takes to come back."""
        view = self.view()
        names = [name for name, one in view.deployments.items() if one.model_version == version and one.ready]
        if not names:
            return False
        address = address_of(self.client, self.endpoint, view.scoring_uri)
        until = time.monotonic() + PATIENCE_SECONDS
        while call(address, golden_request(), names[0]).status != 200:
            assert time.monotonic() < until, f"{names[0]} does not come back"
            time.sleep(0.05)
        return True

    def name_of(self, version: str) -> str:
        """The deployment that a version runs in."""
        return next(name for name, one in self.view().deployments.items() if one.model_version == version)

    def fault(self, **versions: dict[str, Any]) -> None:
        """Say how versions misbehave from now on, `v2={"status": 500}`; nothing heals all.

        refuse: does not start; hold: stays in "init", or in answers to "smoke", "rollout" or "caller", until healed;
        status: answers that, only to one of these where "for" says to which; seconds: answers as late as that.
        """
        file = self.folder / FAULTS
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps({name.removeprefix("v"): fault for name, fault in versions.items()}))
        draft.replace(file)

    def deploy(self, **options: Any) -> DeployResult:
        """Roll out in this process."""
        return deploy(self.client, self.project, self.stage, **options)

    def server_of(self, deployment: str) -> int:
        """The process that serves a deployment."""
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        headers = {"Authorization": f"Bearer {self.emulator.token()}"}
        request = urllib.request.Request(f"{self.emulator.base_url}/_emulator/metrics", headers=headers)  # noqa: S310 - our own emulator
        with urllib.request.urlopen(request, context=context) as reply:  # noqa: S310 - our own emulator
            servers = json.load(reply)
        wanted = f"/onlineendpoints/{self.endpoint}/deployments/{deployment}".lower()
        return next(server["pid"] for key, server in servers.items() if key.lower().endswith(wanted))

    def begin(self, *options: str, verb: str = "deploy") -> ForkServerProcess:
        """Roll out, or another verb of `mlops`, in a process of its own."""
        return start_module("mlops", verb, "--stage", self.stage, *options, folder=self.folder, log=self.log)

    def wait_for(self, condition: Callable[[View], bool]) -> View:
        """Look until the endpoint is as wanted."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            view = self.view()
            if condition(view):
                return view
            time.sleep(LOOK_EVERY_SECONDS)
        raise AssertionError(f"not within {PATIENCE_SECONDS} s: {self.view()}; {self.log.read_text()[-2000:]}")

    def wait_for_phase(self, phase: str) -> View:
        """Look until a rollout is in a phase."""
        return self.wait_for(lambda view: view.in_progress is not None and view.in_progress.phase == phase)

    def live_version(self) -> str:
        """The version that has all traffic; fails when traffic is split or mirrored, or a rollout goes on."""
        view = self.view()
        assert view.live
        assert {name: share for name, share in view.traffic.items() if share} == {view.live: 100}, view.traffic
        assert not any(view.mirror.values())
        assert view.in_progress is None, view.tags
        return view.deployments[view.live].model_version

    def findable_soak(self) -> float:
        """How many seconds a step has to soak to be found in its phase: some looks, as long as they take now."""
        begun = time.monotonic()
        self.view()
        return max(1.0, 5 * (time.monotonic() - begun + LOOK_EVERY_SECONDS))

    def bearable_rate(self) -> float:
        """How many calls a second leave the machine time for what the test is about, measured one after the other."""
        address = address_of(self.client, self.endpoint, self.view().scoring_uri)
        begun = time.monotonic()
        for _ in range(TRIED):
            assert call(address, golden_request()).status == HTTPStatus.OK
        return min(MOST_CALLS_PER_SECOND, CALLERS_SHARE * TRIED / (time.monotonic() - begun))

    @contextmanager
    def callers(self, per_second: float | None = None) -> Generator[Callers]:
        """Callers of the endpoint, who count, in a process of their own; as many as the machine bears, or so many."""
        rate = per_second or self.bearable_rate()
        keys = self.client.online_endpoints.get_keys(self.endpoint)
        body = self.log.with_name("question.json")
        body.write_bytes(golden_request())
        file = self.log.with_name(f"answers-{time.monotonic_ns()}.txt")
        what = (self.view().scoring_uri, str(keys.primary_key), str(body), str(rate), str(file))
        with counted(start_script(ASKING, *what, log=self.log.with_name("callers.log")), file) as called:
            yield called
