"""The effects of well-known tasks: artifacts are real files, requirements are checked, installers do nothing.

Callers add effects or replace them. Tasks are named without a version. `AzureCLI` provides the variables that its
script finds; the script itself is run. Ids and tokens are fakes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from workflow_replay.azure.ids import stable_id
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult, Effects, no_op

_FORBIDDEN_IN_NAMES = re.compile(r'["<>:|*?/\\\x00-\x1f]')
_CONNECTION = ("azureSubscription", "connectedServiceNameARM")
_FAILED_TEST = re.compile(r"<(failure|error)\b")


def publish(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Publish a file or folder as an artifact; its name is unique in the run."""
    source = _resolve(_first(inputs, "path", "targetPath", "PathtoPublish", "pathToPublish"), context)
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
    context.log(f"published {source} as the artifact {name}")
    return EffectResult()


def download(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Copy an artifact to a folder; without a name, each artifact to a folder of its name."""
    source = _first(inputs, "source", "buildType") or "current"
    if source != "current":
        raise EffectFailed(f"artifacts of other pipelines ({source}) cannot be replayed")
    target = _resolve(_first(inputs, "path", "targetPath", "downloadPath") or _workspace(context), context)
    name = _first(inputs, "artifact", "artifactName")
    patterns = (_first(inputs, "patterns", "itemPattern") or "**").splitlines()
    if name and not (context.artifacts / name).is_dir():
        raise EffectFailed(f"Artifact {name} was not found in this run.")
    for folder in [context.artifacts / name] if name else sorted(context.artifacts.glob("*")):
        destination = target if name else target / folder.name
        for file in _matching(folder, patterns):
            _copy(file, destination / file.relative_to(folder))
    return EffectResult()


def download_build_artifacts(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Copy a build artifact to a folder of its name."""
    name = _first(inputs, "artifactName")
    path = _first(inputs, "downloadPath") or context.variables["SYSTEM_ARTIFACTSDIRECTORY"]
    return download({"artifact": name, "path": str(Path(path) / name)}, context)


def publish_test_results(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Find the result files, and fail if the inputs say so."""
    folder = _resolve(_first(inputs, "searchFolder") or ".", context)
    patterns = (_first(inputs, "testResultsFiles") or "**/TEST-*.xml").splitlines()
    found = [file for pattern in patterns for file in folder.glob(pattern.strip().lstrip("/"))]
    if not found:
        if _is_true(inputs, "failTaskOnMissingResultsFile"):
            raise EffectFailed(f"No test result files matching {patterns} were found.")
        context.log(f"##[warning]No test result files matching {patterns} were found.")
    failed = any(_FAILED_TEST.search(file.read_text(encoding="utf-8", errors="replace")) for file in found)
    if failed and _is_true(inputs, "failTaskOnFailedTests"):
        raise EffectFailed("There are one or more test failures detected in result files.")
    return EffectResult()


def cache(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:  # noqa: ARG001 - an effect's signature
    """A cache that is always empty, as on the first run; requires a key and a path."""
    for name in ("key", "path"):
        if not inputs.get(name):
            raise EffectFailed(f"Input required: {name}")
    hit = inputs.get("cacheHitVar")
    return EffectResult(variables={hit: "false"} if hit else {})


def azure_cli(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Log in with a service connection: require its name, and set the variables that a script finds."""
    connection = _first(inputs, *_CONNECTION)
    if not connection:
        raise EffectFailed("Input required: azureSubscription")
    client, tenant = stable_id("client", connection), stable_id("tenant", connection)
    token = f"token-of-{stable_id('token', connection)}"
    variables = {
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": stable_id("connection", connection),
        "AZURESUBSCRIPTION_CLIENT_ID": client,
        "AZURESUBSCRIPTION_TENANT_ID": tenant,
    }
    if _is_true(inputs, "addSpnToEnvironment"):
        variables |= {"servicePrincipalId": client, "tenantId": tenant, "idToken": token}
    context.log(f"logged in with the service connection {connection}")
    return EffectResult(variables=variables, masks=(token,))


def service_connections(environments: Mapping[str, str | None]) -> Effects:
    """Return an AzureCLI effect that accepts only these service connections.

    Each is for the jobs of one environment, or for any (None). A job that uses another one fails.
    """

    def log_in(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
        result = azure_cli(inputs, context)
        name = _first(inputs, *_CONNECTION)
        if name not in environments:
            raise EffectFailed(f"The service connection {name} could not be found or is not authorized for use.")
        if environments[name] not in (None, context.environment):
            at = f"the environment {context.environment}" if context.environment else "no environment"
            raise EffectFailed(f"The service connection {name} is for {environments[name]}, and the job is in {at}.")
        return result

    return Effects({"AzureCLI": log_in})


BUILTIN_TASKS = Effects(
    {
        "AzureCLI": azure_cli,
        "Cache": cache,
        "DownloadBuildArtifacts": download_build_artifacts,
        "DownloadPipelineArtifact": download,
        "NodeTool": no_op,
        "PipAuthenticate": no_op,
        "PublishBuildArtifacts": publish,
        "PublishCodeCoverageResults": no_op,
        "PublishPipelineArtifact": publish,
        "PublishTestResults": publish_test_results,
        "UseNode": no_op,
        "UsePythonVersion": no_op,
    }
)


def _first(inputs: Mapping[str, str], *names: str) -> str:
    folded = {key.casefold(): value for key, value in inputs.items()}
    return next((folded[name.casefold()] for name in names if folded.get(name.casefold())), "")


def _is_true(inputs: Mapping[str, str], name: str) -> bool:
    return _first(inputs, name).lower() == "true"


def _workspace(context: EffectContext) -> str:
    return context.variables["PIPELINE_WORKSPACE"]


def _resolve(path: str, context: EffectContext) -> Path:
    return Path(context.variables["SYSTEM_DEFAULTWORKINGDIRECTORY"]) / path


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that match; each pattern includes or, with a leading `!`, excludes files, in order."""
    matches: dict[Path, None] = {}
    for raw in patterns:
        pattern = raw.strip()
        if not pattern or pattern.startswith("#"):
            continue
        whole = pattern.lstrip("!").removesuffix("**") + "**/*" if pattern.endswith("**") else pattern.lstrip("!")
        matched = [file for file in sorted(folder.glob(whole)) if file.is_file()]
        for file in matched:
            if pattern.startswith("!"):
                matches.pop(file, None)
            else:
                matches[file] = None
    return list(matches)


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, target)
