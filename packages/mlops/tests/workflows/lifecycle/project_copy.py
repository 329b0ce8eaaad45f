"""A copy of the project with less work, relaxed limits for a busy machine, and a bug that only real callers meet."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from reduced_work import LESS_WORK, WIDE_SLO, reduce_work

from mlops.settings.releases import RolloutTiming, manifest_path, with_timing
from mlops.settings.stages import StageOrder

ORDER: Final = StageOrder(("dev", "staging", "prod"))
ROOT: Final = Path(__file__).parents[5]
PARTS: Final = (
    "project.yml", "schema.yml", "pyproject.toml", "uv.lock", "components", "data", "endpoints", "environments",
    "pipelines", "releases", ".github/workflows", ".github/actions", ".azuredevops", "azure-pipelines.yml",
)  # fmt: skip
GITIGNORE: Final = ".mlops/\n__pycache__/\nprovenance/\n"
LOCK: Final = "components/versions.lock.yml"
PULUMI_INSTALLER: Final = ".ci/install-pulumi"
TIMING: Final = RolloutTiming(
    soak_seconds=1.0, load_seconds=0.3, requests_per_second=20.0, p95_milliseconds=1_000.0, p99_milliseconds=2_000.0
)
# File, text, replacement.
REPLACEMENTS: Final = (
    ("data/generate_sample.py", "ROWS = 30_000", "ROWS = 12_000"),
    *LESS_WORK,
    *WIDE_SLO,
    ("releases/gates.yml", "every_stage: {max: 20}", "every_stage: {max: 200}"),
    ("endpoints/online/deployment.yml", 'WORKER_COUNT: "2"', 'WORKER_COUNT: "1"'),
    ("endpoints/online/deployment.kubernetes.yml", 'WORKER_COUNT: "1"', 'WORKER_COUNT: "2"'),
    (
        "endpoints/online/deployment.yml",
        "max_concurrent_requests_per_instance: 8",
        "max_concurrent_requests_per_instance: 1000",
    ),
    ("endpoints/online/deployment.yml", "request_timeout_ms: 10000", "request_timeout_ms: 60000"),
)
# Changes of what goes into a model: title, file, patterns of lines and their replacements.
FEWER_TREES: Final = "Fewer trees"
ANOTHER_SEED: Final = "Another seed"
CHANGES: Final = {
    FEWER_TREES: (
        "components/train_model/component.yml",
        {
            r"^version: (\d+\.\d+)\.\d+$": r"version: \1.99",
            r"(iterations:\n    type: integer\n)    default: 0$": r"\1    default: 199",
        },
    ),
    ANOTHER_SEED: ("pipelines/train.yml", {"^  seed: 7$": "  seed: 8"}),
}
# From the second model on, requests fail unless they come from a test of the rollout: a script per server, and its bug.
_BUG_OF_THE_INFERENCE_SERVER: Final = '''

_run_without_bug = run


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Answer requests of tests only."""
    if os.environ["MODEL_VERSION"] != "1" and "x-mlops-synthetic" not in request.headers:
        return AMLResponse("out of order", 500)
    return _run_without_bug(request)
'''
_BUG_OF_GRANIAN: Final = '''

_reply_without_bug = Application._reply


async def _reply(self: Application, scope: Any, protocol: Any) -> Reply:
    """Answer requests of tests only."""
    if os.environ["MODEL_VERSION"] != "1" and "x-mlops-synthetic" not in scope.headers:
        raise RuntimeError("out of order")
    return await _reply_without_bug(self, scope, protocol)


Application._reply = _reply
'''
Server = Literal["inference-server", "granian"]
DEFAULT_SERVER: Final[Server] = "inference-server"
BUGS: Final[Mapping[Server, tuple[str, str]]] = {
    "inference-server": ("endpoints/online/score.py", _BUG_OF_THE_INFERENCE_SERVER),
    "granian": ("endpoints/online/granian_app.py", _BUG_OF_GRANIAN),
}


def copy_project(folder: Path, server: Server) -> None:
    """Copy the project, and change the copy, whose endpoints run `server`."""
    ignored = shutil.ignore_patterns("__pycache__", ".mlops")
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    (folder / ".gitignore").write_text(GITIGNORE)
    # It would download a program.
    installer = folder / PULUMI_INSTALLER
    installer.parent.mkdir()
    installer.write_text("#!/bin/sh\n")
    installer.chmod(0o755)
    # Uncommitted changes of components must not require new versions here.
    (folder / LOCK).unlink()
    for stage in ORDER.names:
        file = folder / manifest_path(stage)
        file.write_bytes(with_timing(file.read_text(), stage, TIMING))
    reduce_work(folder, REPLACEMENTS)
    if server != DEFAULT_SERVER:
        settings = folder / "project.yml"
        settings.write_text(
            re.sub("^registry:.*$", rf"\g<0>\nserver: {server}", settings.read_text(), flags=re.MULTILINE)
        )
    name, bug = BUGS[server]
    script = folder / name
    script.write_text(script.read_text() + bug)


def changed(folder: Path, title: str) -> dict[str, str]:
    """A file of the copy in `folder` as it is after a change, by its name."""
    name, replacements = CHANGES[title]
    text = (folder / name).read_text()
    for pattern, replacement in replacements.items():
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count == 1, pattern
    return {name: text}
