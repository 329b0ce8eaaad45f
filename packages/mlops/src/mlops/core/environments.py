"""The software environments of a project, and those that are installed on this machine beside the project's own.

A step of such an environment runs in its Python, here as on Azure. Needed where an environment has packages that
uv.lock has not: `tags: {not_in_uv_lock: torch}` in environments/NAME.yml names them.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops.core.documents import read_text, read_yaml
from mlops.core.errors import InputError, MachineError
from mlops.core.layout import STATE_FOLDER, private_folder
from model_package.digest import DIGEST_PREFIX, file_sha256
from model_package.errors import did_you_mean

ENVIRONMENT_FOLDER: Final = Path("environments")
INSTALLED_FOLDER: Final = STATE_FOLDER / "environments"
OWN_PACKAGES_TAG: Final = "not_in_uv_lock"
_FILE: Final = "file:"
_SMALL_TORCH: Final = "; with --torch-backend cpu it takes the small build, without CUDA"
_NO_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[\w.]+)'")
# What a step says whose interpreter has no Spark.
_NO_SPARK: Final = "This step runs on Spark, for which"
_PYTHON: Final = re.compile(r"python==?(?P<version>3\.\d+)(?:\.\d+)?")


@dataclass(frozen=True)
class Environment:
    """An environment of the project: `key` is its file's name.

    `names` are the registered one and that of its conda file, by which a step that is given the file is known.
    `own_packages` are those that uv.lock does not have, `folder` is where it is installed.
    """

    key: str
    names: tuple[str, ...]
    conda_file: Path | None
    own_packages: tuple[str, ...]
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter, which may not exist."""
        return self.folder / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        """Whether its interpreter exists."""
        return self.python.is_file()

    @property
    def is_missing(self) -> bool:
        """Whether its steps cannot run on this machine before it is installed."""
        return bool(self.own_packages) and not self.is_installed

    def require(self) -> None:
        """Raise MachineError if it is missing."""
        if self.is_missing:
            raise MachineError(
                f"steps of the environment {self.key} need packages that are not installed on this machine: "
                + ", ".join(self.own_packages),
                f"Run: uv run mlops install {self.key}{_SMALL_TORCH if 'torch' in self.own_packages else ''}",
            )


def environments_of(root: Path) -> Iterator[Environment]:
    """The environments in environments/, by file."""
    for file in sorted((root / ENVIRONMENT_FOLDER).glob("*.yml")):
        document = read_yaml(file).value
        # The other files there are conda files and the lock.
        if isinstance(document, dict) and "version" in document and ("image" in document or "build" in document):
            yield _environment(root, file, document)


def python_of(root: Path, file: Path) -> Path:
    """The Python that runs the steps of an environment, given as its file. Raises MachineError if there is none."""
    for each in environments_of(root):
        if each.key == file.stem:
            each.require()
            return each.python if each.is_installed else Path(sys.executable)
    return Path(sys.executable)


def advice_for_module(root: Path, log: Sequence[str]) -> str:
    """What to do about a module that a step did not find, from the lines of its log; "" where it found all."""
    if any(_NO_SPARK in line for line in log):
        return "On this machine, add Spark to the project's environment: `uv sync --inexact --group spark`."
    found = next((match for line in reversed(log) if (match := _NO_MODULE.search(line))), None)
    if found is None:
        return ""
    name = found["name"].partition(".")[0]
    for each in environments_of(root):
        if each.conda_file and re.search(rf"^\s*- {name}\b", read_text(each.conda_file), re.MULTILINE):
            return f"On this machine, install the environment that has {name}: `mlops install {each.key}`."
    return f"Add {name} to the step's conda file in {ENVIRONMENT_FOLDER}/; on this machine, then `mlops install` it."


def names_in(tag: str) -> tuple[str, ...]:
    """The packages that the tag `not_in_uv_lock` names, separated by commas or blanks."""
    return tuple(word for word in re.split(r"[,\s]+", tag) if word)


def install(root: Path, key: str, *, torch_backend: str | None = None, with_pip: bool = False) -> Environment:
    """Install the packages of an environment's conda file into a virtual environment below the state folder.

    Done by uv, or by pip where uv is missing. `torch_backend` is uv's: which build of PyTorch to take. Raises
    InputError for an unknown environment, or one without a conda file; MachineError if a program fails.
    """
    known = {each.key: each for each in environments_of(root)}
    environment = known.get(key)
    if environment is None:
        meant = did_you_mean(key, known)
        raise InputError(f"there is no environments/{key}.yml{meant}", f"Name one of {', '.join(known)}.")
    if environment.conda_file is None:
        raise InputError(f"environments/{key}.yml has no conda_file, which names its packages", "Install it by hand.")
    python, pins = _requirements(environment.conda_file)
    private_folder(environment.folder.parent)
    folder = str(environment.folder)
    uv = None if with_pip else shutil.which("uv")
    if uv:
        _run(uv, "venv", "--quiet", "--allow-existing", "--python", python, folder)
        backend = ["--torch-backend", torch_backend] if torch_backend else []
        _run(uv, "pip", "install", "--python", str(environment.python), *backend, *pins)
    else:
        _run(_interpreter(python), "-m", "venv", folder)
        _run(str(environment.python), "-m", "pip", "install", *pins)
    return environment


def _environment(root: Path, file: Path, document: dict[str, Any]) -> Environment:
    conda, tags = document.get("conda_file"), document.get("tags")
    conda_file = file.parent / conda if isinstance(conda, str) else None
    named = [document, read_yaml(conda_file).value if conda_file and conda_file.is_file() else None]
    return Environment(
        key=file.stem,
        names=tuple({str(each["name"]): None for each in named if isinstance(each, dict) and "name" in each}),
        conda_file=conda_file,
        own_packages=names_in(str(tags.get(OWN_PACKAGES_TAG, "")) if isinstance(tags, dict) else ""),
        folder=(root / INSTALLED_FOLDER / file.stem).absolute(),
    )


def _requirements(conda_file: Path) -> tuple[str, list[str]]:
    """The version of Python such as 3.11, and the requirements for pip. Raises InputError."""
    entries: Sequence[Any] = read_yaml(conda_file).value.get("dependencies", [])
    python = next((match["version"] for each in entries if (match := _PYTHON.fullmatch(str(each)))), None)
    pins = [str(pin) for each in entries if isinstance(each, dict) for pin in each.get("pip", [])]
    if python is None or not pins:
        raise InputError(
            f"{conda_file.name} names no version of Python, or no packages for pip",
            "Write python=3.11 under `dependencies`, and the packages under its `pip`.",
        )
    return python, pins


def _interpreter(version: str) -> str:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = sys.executable if version == own else shutil.which(f"python{version}")
    if found is None:
        raise MachineError(
            f"there is no python{version} on this machine", "Install it, or install uv, which brings it."
        )
    return found


def _run(*command: str) -> None:
    """Run a program whose output a person may read meanwhile. Raises MachineError if it fails."""
    done = subprocess.run(command, stdout=sys.stderr.fileno(), check=False)
    if done.returncode:
        advice = "Its output says why; correct it, and run again: what is installed already is kept."
        raise MachineError(f"`{Path(command[0]).name} {' '.join(command[1:3])}` exited with {done.returncode}", advice)


def job_image(pipeline: Path) -> str:
    """The environment of a pipeline's first step: name, version, and the digest of what its image is built from.

    Azure, too, names an image by that, and says nowhere which one an environment became. Empty where there is no such
    file, or where it refers to what is registered already. Raises YamlError, OSError.
    """
    steps = (read_yaml(pipeline).value.get("jobs") or {}).values() if pipeline.is_file() else ()
    for step in steps:
        component = pipeline.parent / str(step.get("component", ""))
        definition = read_yaml(component).value if component.is_file() else {}
        reference = str(definition.get("environment") or (definition.get("task") or {}).get("environment") or "")
        return _image(component.parent / reference.removeprefix(_FILE)) if reference.startswith(_FILE) else ""
    return ""


def _image(file: Path) -> str:
    document = read_yaml(file).value
    conda, build = document.get("conda_file"), document.get("build")
    content: list[Any] = [document.get("image"), build]
    if isinstance(conda, str):
        content.append(read_yaml(file.parent / conda).value)
    if build is not None:
        files = sorted(path for path in (file.parent / str(build["path"])).rglob("*") if path.is_file())
        content += [[path.name, file_sha256(path)] for path in files]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return f"{document['name']}:{document['version']} {DIGEST_PREFIX}{digest}"
