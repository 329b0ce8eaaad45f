"""A YAML file of the project as a checked, frozen object; every problem with its file, line, key and advice.

What is allowed in a file is said by the pydantic model that reads it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from mlops.core.errors import ProjectError
from mlops.core.results import SourceLocation
from mlops.core.yaml_nodes import FIRST_LINE, KeyPath, YamlError, compose, value_of


@dataclass(frozen=True)
class Document:
    """A document's plain value, and the lines its keys stand in."""

    value: Any
    lines: dict[KeyPath, int]

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line of the key at `path`, or of the nearest key above it that exists."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(tuple(path[:length]))
            if line is not None:
                return line
        return FIRST_LINE


def read_yaml(file: Path) -> Document:
    """Read one YAML document. Raises YamlError for a file that is not UTF-8 or not YAML."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise YamlError("the file is not UTF-8 text", FIRST_LINE) from error
    return parse_yaml(text)


def parse_yaml(text: str) -> Document:
    """Parse one YAML document. Raises YamlError for a text that is not YAML."""
    root = compose(text)
    lines: dict[KeyPath, int] = {}
    return Document(None if root is None else value_of(root, lines), lines)


class Part(BaseModel):
    """A part of a YAML file: frozen and strict, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class YamlFile(Part):
    """A whole YAML file of the project, with its format; `renamed_keys` has old key → key of this format."""

    renamed_keys: ClassVar[Mapping[str, str]] = {}

    format: Literal[1]


Checked = TypeVar("Checked", bound=BaseModel)


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
        location = SourceLocation(file, error.line, str(error))
        raise ProjectError(
            f"{file}:{error.line}: {error}", "Correct the YAML at this line.", locations=(location,)
        ) from error


def _checked(
    file: Path, document: Document, model: type[Checked], context: Mapping[str, Any] | None
) -> CheckedFile[Checked]:
    try:
        value = model.model_validate(document.value, context=dict(context or {}))
    except ValidationError as error:
        renamed = model.renamed_keys if issubclass(model, YamlFile) else {}
        raise _refusal(file, document, _problems(document, error, renamed)) from error
    return CheckedFile(file, value, document)


def _problems(document: Document, error: ValidationError, renamed: Mapping[str, str]) -> list[tuple[KeyPath, str]]:
    found = [(_written(document.value, detail["loc"]), detail) for detail in error.errors()]
    old = {path for path, detail in found if detail["type"] == "extra_forbidden" and path[-1] in renamed}
    # What an old key said is not missing as well.
    new = {(*path[:-1], renamed[str(path[-1])]) for path in old}
    return [
        (path, f"is called `{renamed[str(path[-1])]}` since format 1; rename it" if path in old else _reason(detail))
        for path, detail in found
        if path not in new or detail["type"] != "missing"
    ]


def _refusal(file: Path, document: Document, problems: Sequence[tuple[KeyPath, str]]) -> ProjectError:
    locations = tuple(_location(file, document, *problem) for problem in problems)
    count = "1 problem" if len(locations) == 1 else f"{len(locations)} problems"
    return ProjectError(
        f"{file} has {count}",
        f"Correct {file.name}; its comments say what each key means.",
        tuple(f"{file.name}:{each.line}: {each.message}" for each in locations),
        locations,
    )


def _location(file: Path, document: Document, path: KeyPath, sentence: str) -> SourceLocation:
    key = ".".join(_named(document.value, path))
    return SourceLocation(file, document.line_of(path), f"{key or 'the file'}: {sentence}")


def _named(value: Any, path: KeyPath) -> list[str]:
    """A path in words: an entry of a list goes by its `name`, where it has one, else by its number."""
    words = []
    for part in path:
        value = value[part] if isinstance(value, list) or (isinstance(value, dict) and part in value) else None
        name = value.get("name") if isinstance(part, int) and isinstance(value, dict) else None
        words.append(name if isinstance(name, str) else str(part))
    return words


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


def _reason(detail: ErrorDetails) -> str:
    match detail["type"], detail["loc"]:
        case "missing", ("format",):
            return "is missing; write `format: 1` at the top, and correct what is listed beside it"
        case "literal_error", ("format",):
            return f"is {detail['input']!r}, and this version of mlops reads format 1; upgrade it, or the file"
        case "missing", _:
            return "is missing; add it"
        case "extra_forbidden", _:
            return "unknown key; correct its spelling or remove it"
        case "string_type", _:
            return f"must be text, not {detail['input']!r}; put it into quotes"
        case (("model_type" | "model_attributes_type" | "dict_type"), _):
            return "must hold keys and values"
        case _:
            return detail["msg"].removeprefix("Value error, ")


def merged(document: Any, patch: Any) -> Any:
    """`document` with what `patch` says otherwise; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    base = document if isinstance(document, dict) else {}
    kept = {key: value for key, value in base.items() if key not in patch}
    changed = {key: merged(base.get(key), value) for key, value in patch.items() if value is not None}
    return kept | changed
