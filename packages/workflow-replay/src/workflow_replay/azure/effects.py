"""What well-known tasks of Azure Pipelines are declared to do here: real files for artifacts, checks where the real
ones check, and nothing where only the machine would change. Callers add to them or put theirs in their place.

A task is named without its version. `AzureCLI` gives the variables that its script finds; the script itself runs for
real. Ids and tokens are stand-ins.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from workflow_replay.azure.running.predefined import stand_in_id
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult, Effects, nothing

_FORBIDDEN_IN_NAMES = re.compile(r'["<>:|*?/\\\x00-\x1f]')
_CONNECTION = ("azureSubscription", "connectedServiceNameARM")
_FAILED_TEST = re.compile(r"<(failure|error)\b")


def publish(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Keep a file or folder as an artifact of the run; a name is given away once."""
    source = _beside_sources(_first(inputs, "path", "targetPath", "PathtoPublish", "pathToPublish"), context)
    name = _first(inputs, "artifact", "artifactName", "ArtifactName") or context.job
    if _FORBIDDEN_IN_NAMES.search(name):
        raise EffectFailed(f"Artifact name is not valid: {name}")
    if not source.exists():
        raise EffectFailed(f"Path does not exist: {source}")
    target = context.artifacts / name
    if target.exists():
        raise EffectFailed(f"Artifact {name} already exists for this build.")
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        target.mkdir(parents=True)
        shutil.copy2(source, target)
    context.say(f"published {source} as the artifact {name}")
    return EffectResult()


def download(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Put an artifact into a folder; without a name, each artifact into a folder of its name."""
    source = _first(inputs, "source", "buildType") or "current"
    if source != "current":
        raise EffectFailed(f"artifacts of other pipelines ({source}) cannot be replayed")
    target = _beside_sources(_first(inputs, "path", "targetPath", "downloadPath") or _workspace(context), context)
    name = _first(inputs, "artifact", "artifactName")
    patterns = (_first(inputs, "patterns", "itemPattern") or "**").splitlines()
    if name and not (context.artifacts / name).is_dir():
        raise EffectFailed(f"Artifact {name} was not found in this run.")
    for folder in [context.artifacts / name] if name else sorted(context.artifacts.glob("*")):
        place = target if name else target / folder.name
        for file in _chosen(folder, patterns):
            _copy(file, place / file.relative_to(folder))
    return EffectResult()


def download_build_artifacts(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Put a build artifact into a folder of its name."""
    name = _first(inputs, "artifactName")
    path = _first(inputs, "downloadPath") or context.variables["SYSTEM_ARTIFACTSDIRECTORY"]
    return download({"artifact": name, "path": str(Path(path) / name)}, context)


def publish_test_results(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Look for the result files, and fail where the task is told to."""
    folder = _beside_sources(_first(inputs, "searchFolder") or ".", context)
    patterns = (_first(inputs, "testResultsFiles") or "**/TEST-*.xml").splitlines()
    found = [file for pattern in patterns for file in folder.glob(pattern.strip().lstrip("/"))]
    if not found:
        if _is_true(inputs, "failTaskOnMissingResultsFile"):
            raise EffectFailed(f"No test result files matching {patterns} were found.")
        context.say(f"##[warning]No test result files matching {patterns} were found.")
    failed = any(_FAILED_TEST.search(file.read_text(encoding="utf-8", errors="replace")) for file in found)
    if failed and _is_true(inputs, "failTaskOnFailedTests"):
        raise EffectFailed("There are one or more test failures detected in result files.")
    return EffectResult()


def cache(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:  # noqa: ARG001 - an effect's shape
    """Find nothing, as on the first run; a cache needs a key and a path."""
    for name in ("key", "path"):
        if not inputs.get(name):
            raise EffectFailed(f"Input required: {name}")
    hit = inputs.get("cacheHitVar")
    return EffectResult(variables={hit: "false"} if hit else {})


def azure_cli(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Log in by a service connection: only its name is checked, and what a script sees of it is set."""
    connection = _first(inputs, *_CONNECTION)
    if not connection:
        raise EffectFailed("Input required: azureSubscription")
    client, tenant = stand_in_id("client", connection), stand_in_id("tenant", connection)
    token = f"token-of-{stand_in_id('token', connection)}"
    variables = {
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": stand_in_id("connection", connection),
        "AZURESUBSCRIPTION_CLIENT_ID": client,
        "AZURESUBSCRIPTION_TENANT_ID": tenant,
    }
    if _is_true(inputs, "addSpnToEnvironment"):
        variables |= {"servicePrincipalId": client, "tenantId": tenant, "idToken": token}
    context.say(f"logged in by the service connection {connection}")
    return EffectResult(variables=variables, masks=(token,))


def connections(environments: Mapping[str, str | None]) -> Effects:
    """Return an AzureCLI that knows these service connections only, each for the jobs of an environment; None for any.

    So a job that logs in as somebody whom it should not be fails.
    """

    def log_in(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
        done = azure_cli(inputs, context)
        name = _first(inputs, *_CONNECTION)
        if name not in environments:
            raise EffectFailed(f"The service connection {name} could not be found or is not authorized for use.")
        if environments[name] not in (None, context.environment):
            at = f"the environment {context.environment}" if context.environment else "no environment"
            raise EffectFailed(f"The service connection {name} is for {environments[name]}, and the job is in {at}.")
        return done

    return Effects({"AzureCLI": log_in})


EFFECTS = Effects(
    {
        "AzureCLI": azure_cli,
        "Cache": cache,
        "DownloadBuildArtifacts": download_build_artifacts,
        "DownloadPipelineArtifact": download,
        "NodeTool": nothing,
        "PipAuthenticate": nothing,
        "PublishBuildArtifacts": publish,
        "PublishCodeCoverageResults": nothing,
        "PublishPipelineArtifact": publish,
        "PublishTestResults": publish_test_results,
        "UseNode": nothing,
        "UsePythonVersion": nothing,
    }
)


def _first(inputs: Mapping[str, str], *names: str) -> str:
    folded = {key.casefold(): value for key, value in inputs.items()}
    return next((folded[name.casefold()] for name in names if folded.get(name.casefold())), "")


def _is_true(inputs: Mapping[str, str], name: str) -> bool:
    return _first(inputs, name).lower() == "true"


def _workspace(context: EffectContext) -> str:
    return context.variables["PIPELINE_WORKSPACE"]


def _beside_sources(path: str, context: EffectContext) -> Path:
    return Path(context.variables["SYSTEM_DEFAULTWORKINGDIRECTORY"]) / path


def _chosen(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that patterns choose; each pattern adds, or takes away with `!`, in order."""
    chosen: dict[Path, None] = {}
    for raw in patterns:
        pattern = raw.strip()
        if not pattern or pattern.startswith("#"):
            continue
        whole = pattern.lstrip("!").removesuffix("**") + "**/*" if pattern.endswith("**") else pattern.lstrip("!")
        matched = [file for file in sorted(folder.glob(whole)) if file.is_file()]
        for file in matched:
            if pattern.startswith("!"):
                chosen.pop(file, None)
            else:
                chosen[file] = None
    return list(chosen)


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)
