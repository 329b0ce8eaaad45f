"""A YAML file of the project as a checked, frozen object; every problem with its file, line, key and advice.

What is allowed in a file is said by the pydantic model of whoever reads it; lines come from yaml_lines.py. A model may
say with `renamed` which keys have another name by now (old key, with dots for its path → new key).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlops.ci.place import Place
from mlops.errors import ProjectError
from mlops.yaml_lines import Document, YamlError, parse_yaml, read_yaml

Checked = TypeVar("Checked", bound=BaseModel)
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class CheckedFile(Generic[Checked]):
    """A file's checked value, with the lines of its keys for checks that a single key cannot answer."""

    file: Path
    value: Checked
    document: Document

    def refuse(self, problems: Sequence[tuple[KeyPath, str]]) -> None:
        """Raise ProjectError for problems (path of the key, sentence); none is fine."""
        if problems:
            raise _refusal(self.file, self.document, problems)


def read_checked(file: Path, model: type[Checked], context: Mapping[str, Any] | None = None) -> CheckedFile[Checked]:
    """Read a YAML file as `model`; `context` reaches the model's validators.

    Raises ProjectError, with file, line and key of everything that is wrong.
    """
    if not file.is_file():
        raise ProjectError(f"{file} does not exist", f"Restore it from git, or from the template's {file.name}.")
    with _told(file):
        document = read_yaml(file)
    return _checked(file, document, model, context)


def parse_checked(
    text: str, file: Path, model: type[Checked], context: Mapping[str, Any] | None = None
) -> CheckedFile[Checked]:
    """Do the same for a text that stands in `file` at some revision. Raises ProjectError as `read_checked` does."""
    with _told(file):
        document = parse_yaml(text)
    return _checked(file, document, model, context)


@contextmanager
def _told(file: Path) -> Generator[None]:
    try:
        yield
    except YamlError as error:
        place = Place(file, error.line, str(error))
        raise ProjectError(
            f"{file}:{error.line}: {error}", "Correct the YAML at this line.", places=(place,)
        ) from error


def _checked(
    file: Path, document: Document, model: type[Checked], context: Mapping[str, Any] | None
) -> CheckedFile[Checked]:
    try:
        value = model.model_validate(document.value, context=dict(context or {}))
    except ValidationError as error:
        renamed: Mapping[str, str] = getattr(model, "renamed", {})
        problems = [(_written(document.value, detail["loc"]), _reason(detail, renamed)) for detail in error.errors()]
        raise _refusal(file, document, problems) from error
    return CheckedFile(file, value, document)


def _refusal(file: Path, document: Document, problems: Sequence[tuple[KeyPath, str]]) -> ProjectError:
    places = tuple(_place(file, document, *problem) for problem in problems)
    count = "1 problem" if len(places) == 1 else f"{len(places)} problems"
    return ProjectError(
        f"{file} has {count}",
        f"Correct {file.name}; its comments say what each key means.",
        tuple(f"{file.name}:{place.line}: {place.message}" for place in places),
        places,
    )


def _place(file: Path, document: Document, path: KeyPath, sentence: str) -> Place:
    key = ".".join(str(part) for part in path)
    return Place(file, document.line_of(path), f"{key or 'the file'}: {sentence}")


def _written(value: Any, path: KeyPath) -> KeyPath:
    """The keys of a path as they are written: pydantic also names the branch of a choice that it took."""
    written: list[str | int] = []
    for number, part in enumerate(path, start=1):
        is_key = part in value if isinstance(value, Mapping) else isinstance(value, Sequence) and type(part) is int
        is_missing_key = number == len(path) and isinstance(value, Mapping)
        if not is_key and not is_missing_key:
            continue
        written.append(part)
        value = value[part] if is_key else None
    return tuple(written)


def _reason(detail: ErrorDetails, renamed: Mapping[str, str]) -> str:
    match detail["type"]:
        case "missing":
            return "is missing; add it"
        case "extra_forbidden" if new := renamed.get(".".join(str(part) for part in detail["loc"])):
            return f"is now called {new}"
        case "extra_forbidden":
            return "is no known key; correct its spelling or remove it"
        case "string_type":
            return f"must be text, not {detail['input']!r}; put it into quotes"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must hold keys and values"
        case _:
            return detail["msg"].removeprefix("Value error, ")
