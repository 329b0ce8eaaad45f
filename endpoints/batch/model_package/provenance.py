"""provenance.json: where a package comes from; and the lineage that steps hand on until it is written.

Lineage says which component in which version made what lies in a folder: a small file beside every step's output.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from model_package.documents import Fields, read_json, write_json

UNKNOWN = "unknown"
LINEAGE_FILE = "lineage.json"
_COMPONENT_FILE = "component.yml"
_VERSION_KEY = "version:"


@dataclass(frozen=True, slots=True)
class DataSource:
    """The data asset that the model was trained on."""

    name: str = UNKNOWN
    version: str = UNKNOWN
    sha256: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Software:
    """What the model was trained with: every installed package, and one sha256 over their names and versions."""

    python: str = UNKNOWN
    lock_sha256: str = UNKNOWN
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a package comes from; "" or "unknown" where nothing says it. `components` are the steps' versions.

    `model_digest` is that of a model's folder whose code runs when it is loaded; "" of an ONNX graph, which has none.
    """

    git_commit: str = ""
    job: str = ""
    created: str = ""
    data: DataSource = DataSource("", "", "")
    components: dict[str, str] = field(default_factory=dict)
    environment: Software = field(default_factory=lambda: Software("", ""))
    model_digest: str = ""

    @classmethod
    def parse(cls, document: Fields) -> Self:
        """Read the content of provenance.json; whatever it lacks stays empty. Raises PackageError."""
        data, software = _optional(document, "data"), _optional(document, "environment")
        return cls(
            git_commit=document.text("git_commit", ""),
            job=document.text("job", ""),
            created=document.text("created", ""),
            data=DataSource(*(data.text(name, "") for name in ("name", "version", "sha256"))),
            components=_texts(_optional(document, "components")),
            environment=Software(
                software.text("python", ""), software.text("lock_sha256", ""), _texts(_optional(software, "packages"))
            ),
            model_digest=document.text("model_digest", ""),
        )

    def as_document(self) -> dict[str, Any]:
        """Return the content of provenance.json."""
        document: dict[str, Any] = {
            "git_commit": self.git_commit,
            "data": {"name": self.data.name, "version": self.data.version, "sha256": self.data.sha256},
            "job": self.job,
            "components": self.components,
            "environment": {
                "python": self.environment.python,
                "lock_sha256": self.environment.lock_sha256,
                "packages": self.environment.packages,
            },
            "created": self.created,
        }
        if self.model_digest:
            document["model_digest"] = self.model_digest
        return document


def component_version(component_file: Path) -> str:
    """Read the version from a component.yml.

    By its line and not by a YAML parser: a step ships no parser for the sake of one word.
    Raises ValueError when the file states no version.
    """
    for line in component_file.read_text(encoding="utf-8").splitlines():
        if line.startswith(_VERSION_KEY):
            return line.removeprefix(_VERSION_KEY).strip()
    raise ValueError(f"{component_file} states no version; add a line like `version: 1.0.0`")


def read_lineage(folder: Path) -> dict[str, str]:
    """Return name → version of the components that led to a folder."""
    file = folder / LINEAGE_FILE
    return read_json(file) if file.exists() else {}


def extended_lineage(source: Path | None, step_file: str) -> dict[str, str]:
    """Return the lineage of `source`, with the step whose Python file is `step_file` added."""
    step = Path(step_file).resolve()
    earlier = {} if source is None else read_lineage(source)
    return earlier | {step.stem: component_version(step.parent / _COMPONENT_FILE)}


def write_lineage(folder: Path, source: Path | None, step_file: str) -> None:
    """Hand the lineage of `source` on to `folder`, with the running step added."""
    write_json(folder / LINEAGE_FILE, extended_lineage(source, step_file))


def _optional(document: Fields, name: str) -> Fields:
    return document.object(name) if name in document else Fields({}, f"{document.where}: {name}")


def _texts(document: Fields) -> dict[str, str]:
    return {name: document.text(name) for name in document.values}
