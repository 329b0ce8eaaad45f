"""The paths in a project folder. Names only: no file is read here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROJECT_FILE: Final = "project.yml"
SCHEMA_FILE: Final = "schema.yml"
PIPELINE_FILE: Final = Path("pipelines", "train.yml")
TUNING_PIPELINE_FILE: Final = Path("pipelines", "tune.yml")
# What a tuning varies: inputs of the train step.
SEARCH_SPACE_FILE: Final = Path("components", "search_space.yml")
MONITOR_PIPELINE_FILE: Final = Path("pipelines", "monitor.yml")
COMPONENT_FOLDER: Final = Path("components")
EXTENSION_FOLDER: Final = Path("extensions")
# The pipeline step that rejects bad data, and the output that holds its findings.
VALIDATION_STEP: Final = "validate_data"
VALIDATION_OUTPUT: Final = "validation_report"
SAMPLE_GENERATOR: Final = Path("data", "generate_sample.py")
# Turns rows that the model knows into rows of a shifted population.
SHIFT_SCRIPT: Final = Path("data", "shift_rows.py")
ENDPOINT_FOLDER: Final = Path("endpoints", "online")
ENDPOINT_FILE: Final = ENDPOINT_FOLDER / "endpoint.yml"
DEPLOYMENT_FILE: Final = ENDPOINT_FOLDER / "deployment.yml"
# Overlays for stages served by Kubernetes are beside the file, with this suffix.
KUBERNETES_SUFFIX: Final = ".kubernetes.yml"
# The same for projects whose server is granian.
GRANIAN_SUFFIX: Final = ".granian.yml"
SAMPLE_REQUEST: Final = ENDPOINT_FOLDER / "sample-request.json"
SCORING_PIPELINE_FILE: Final = Path("pipelines", "score.yml")
# Its only step.
SCORING_STEP: Final = "score_batch"
BATCH_ENDPOINT_FILE: Final = Path("endpoints", "batch", "endpoint.yml")
BATCH_DEPLOYMENT_FILE: Final = Path("endpoints", "batch", "deployment.yml")
# Further models of a repository, each with a project.yml of its own.
MODELS_FOLDER: Final = Path("models")
INFRASTRUCTURE_FOLDER: Final = Path("infra")
# The programs in it that people run, and their modules.
INFRASTRUCTURE_PROGRAMS: Final = {
    "bootstrap": "bootstrap",
    "quota": "quota",
    "inventory": "inventory",
    "teardown": "inventory.teardown",
}
# In the project: what a model is made of, what answers with it, and the rules.
MAKES_A_MODEL: Final = (
    "releases",
    "project.yml",
    SCHEMA_FILE,
    EXTENSION_FOLDER.as_posix(),
    COMPONENT_FOLDER.as_posix(),
    PIPELINE_FILE.parts[0],
    "environments",
    ENDPOINT_FOLDER.parts[0],
    "data",
)
# At the top of the repository: code of the checks and gates, and what it runs with; githost knows the CI files.
CODE_THAT_JUDGES: Final = (
    ".ci",
    "packages",
    "pyproject.toml",
    "uv.lock",
)

# State that commands leave on this machine; all of it can be deleted.
STATE_FOLDER: Final = Path(".mlops")
SAMPLE_FOLDER: Final = STATE_FOLDER / "data"
CONVERTED_FOLDER: Final = STATE_FOLDER / "converted"
PACKAGE_FOLDER: Final = STATE_FOLDER / "models"
REPORT_FOLDER: Final = STATE_FOLDER / "reports"
ROWS_FOLDER: Final = STATE_FOLDER / "rows"
# The scratch repository of `mlops demo`, in which its releases are.
DEMO_REPOSITORY: Final = STATE_FOLDER / "demo" / "repository"
PRIVATE_FOLDER_MODE: Final = 0o700


def demo_hint(root: Path) -> str:
    """A sentence that says where the releases of a demo are; "" where none has run."""
    folder = root / DEMO_REPOSITORY
    if not folder.is_dir():
        return ""
    shown = os.path.relpath(folder)
    return f"The releases of `mlops demo` are in its scratch repository: `mlops --project {shown} COMMAND`."


def private_folder(folder: Path) -> Path:
    """Make a folder below the state folder that only its owner can read, and return it."""
    for part in (*reversed(folder.parents), folder):
        if STATE_FOLDER.name in part.parts:
            part.mkdir(mode=PRIVATE_FOLDER_MODE, exist_ok=True)
    return folder
