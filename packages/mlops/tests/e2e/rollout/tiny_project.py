"""A project of its own in workspaces of its own: the real endpoint's files, and a script that fails when told to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[5]
MODEL = "tiny"
FAULTS = "faults.json"
# How versions misbehave is read from a file before each answer, so that a test can break what runs, and hold it
# where it wants to find it.
SCORE = """\
import json
import os
import time
from pathlib import Path

import real_score
from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

faults = Path(os.environ["FAULTS"])


def fault():
    return json.loads(faults.read_text()).get(os.environ["MODEL_VERSION"], {})


def held(place):
    while fault().get("hold") == place:
        time.sleep(0.05)


def init():
    held("init")
    if fault().get("refuse"):
        raise RuntimeError("no model here")
    real_score.init()


@rawhttp
def run(request):
    who = request.headers.get("x-mlops-synthetic", "caller")
    held(who)
    found = fault()
    if "status" in found and found.get("for", who) == who:
        return AMLResponse("broken on purpose", found["status"])
    time.sleep(found.get("seconds", 0))
    return real_score.run(request)
"""


def make_project(folder: Path, name: str) -> None:
    """A git repository with a project whose stages are named after it."""
    folder.mkdir(parents=True)
    settings = yaml.safe_load((ROOT / "project.yml").read_text())
    settings |= {"model": MODEL, "registry": f"registry-{name}"}
    for stage in settings["stages"]:
        stage |= {"workspace": f"mlw-{name}-{stage['name']}", "endpoint": f"{name}-{stage['name']}"}
    (folder / "project.yml").write_text(yaml.safe_dump(settings))
    shutil.copy(ROOT / "schema.yml", folder)
    for part in ("endpoints", "environments"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    online = folder / "endpoints" / "online"
    (online / "score.py").rename(online / "real_score.py")
    (online / "score.py").write_text(SCORE)
    file = online / "deployment.yml"
    deployment = yaml.safe_load(file.read_text())
    deployment["environment_variables"] |= {"WORKER_COUNT": "1", "FAULTS": str(folder / FAULTS)}
    # Limits that a machine does not meet when it is busy for a while.
    deployment["request_settings"] |= {"max_concurrent_requests_per_instance": 1_000, "request_timeout_ms": 60_000}
    on_cluster = online / "deployment.kubernetes.yml"
    differing = yaml.safe_load(on_cluster.read_text())
    # Not the fewer ones of a pod, which would be met first.
    differing.pop("request_settings")
    on_cluster.write_text(yaml.safe_dump(differing))
    # What is collected of requests is tested elsewhere; here it would only cost time.
    deployment.pop("data_collector", None)
    file.write_text(yaml.safe_dump(deployment))
    (folder / FAULTS).write_text("{}")
    # Releases are written by hand here, and nobody knows where the tiny models come from.
    demands = {"statement": "optional", "builders": ["*"], "commit": "any", "attestation": "none"}
    (folder / "releases").mkdir()
    policy = {"format": 1, "stages": {stage["name"]: demands for stage in settings["stages"]}}
    (folder / "releases" / "provenance.yml").write_text(yaml.safe_dump(policy))
    git(folder, "init", "-q", "-b", "main")


def git(folder: Path, *words: str) -> str:
    """What git says."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()
