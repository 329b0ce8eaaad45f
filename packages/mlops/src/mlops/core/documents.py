"""Read a YAML file of the project as a validated, frozen object; every problem has a file, line, key and advice.

The pydantic model that reads a file defines what it may contain.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from mlops.core.errors import ProjectError
from mlops.core.results import SourceLocation
from mlops.core.yaml_nodes import FIRST_LINE, MOST_CHARACTERS, KeyPath, YamlError, compose, value_of
from model_package.errors import did_you_mean

_QUOTED: Final = re.compile(r"'([^']*)'")
# UTF-8 takes up to four bytes per character.
_MOST_BYTES: Final = 4 * MOST_CHARACTERS


@dataclass(frozen=True)
class Document:
    """A document's plain value, and the line number of each key."""

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
    """Read one YAML document. Raises YamlError for a file that is not UTF-8 or not YAML, or exceeds a limit."""
    return parse_yaml(read_limited(file))


def read_limited(file: Path) -> str:
    """The text of a YAML file. Raises YamlError for a file that is too long, or is not UTF-8."""
    if file.stat().st_size > _MOST_BYTES:
        raise YamlError(f"the file has more than {_MOST_BYTES:,} bytes", FIRST_LINE)
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise YamlError("the file is not UTF-8 text", FIRST_LINE) from error


def require_yaml(file: Path) -> Path:
    """Return a file once it is known to be YAML within the limits, for a library that reads it without any.

    Raises ProjectError with file and line.
    """
    with as_project_error(file):
        read_yaml(file)
    return file


def read_text(file: Path) -> str:
    """The text of another file of the project, which is not YAML. Raises ProjectError for one that is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProjectError(f"{file} is not UTF-8 text", "Restore it from git, or save it as UTF-8.") from error


def parse_yaml(text: str) -> Document:
    """Parse one YAML document. Raises YamlError for text that is not YAML."""
    root = compose(text)
    lines: dict[KeyPath, int] = {}
    return Document(None if root is None else value_of(root, lines), lines)


class Part(BaseModel):
    """A part of a YAML file: frozen and strict, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class YamlFile(Part):
    """A whole YAML file of the project, with its format; `renamed_keys` maps old keys to the keys of this format."""

    renamed_keys: ClassVar[Mapping[str, str]] = {}

    format: Literal[1]


def require_ascii(text: str) -> str:
    """A name as it is compared everywhere. Raises ValueError for letters that only look like those of ASCII.

    The one place where names from files are normalised: Azure's names are ASCII, so a name in another form (full-width
    digits, a Cyrillic letter) is a mistake or a trick, and is named instead of translated.
    """
    for letter in text:
        if not (letter.isascii() and letter.isprintable()):
            title = unicodedata.name(letter, "a control character")
            raise ValueError(f"{text!a} has {letter!a} ({title.lower()}); type the name with plain ASCII letters")
    return text


PlainName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(require_ascii)]


Checked = TypeVar("Checked", bound=BaseModel)


@dataclass(frozen=True)
class CheckedFile(Generic[Checked]):
    """A file's validated value, with the line of each key for checks across several keys."""

    file: Path
    value: Checked
    document: Document

    def refuse(self, problems: Sequence[tuple[KeyPath, str]]) -> None:
        """Raise ProjectError if there are any problems (path of the key, sentence)."""
        if problems:
            raise _refusal(self.file, self.document, problems)


def read_checked(file: Path, model: type[Checked], context: Mapping[str, Any] | None = None) -> CheckedFile[Checked]:
    """Read a YAML file as `model`; `context` is passed to the model's validators.

    Raises ProjectError, with file, line and key of everything that is wrong.
    """
    if not file.is_file():
        raise ProjectError(f"{file} does not exist", f"Restore it from git, or from the template's {file.name}.")
    with as_project_error(file):
        document = read_yaml(file)
    return _checked(file, document, model, context)


def parse_checked(
    text: str, file: Path, model: type[Checked], context: Mapping[str, Any] | None = None
) -> CheckedFile[Checked]:
    """Do the same for the text of `file` at some revision. Raises ProjectError as `read_checked` does."""
    with as_project_error(file):
        document = parse_yaml(text)
    return _checked(file, document, model, context)


@contextmanager
def as_project_error(file: Path) -> Generator[None]:
    """Raise a YamlError of the block as ProjectError with the file and the line."""
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
        raise _refusal(file, document, _problems(document, error, renamed, model)) from error
    return CheckedFile(file, value, document)


def _problems(
    document: Document, error: ValidationError, renamed: Mapping[str, str], model: type[BaseModel]
) -> list[tuple[KeyPath, str]]:
    found = [(_keys_as_written(document.value, detail["loc"]), detail) for detail in error.errors()]
    old = {path for path, detail in found if detail["type"] == "extra_forbidden" and path[-1] in renamed}
    # Do not also report the new key as missing.
    new = {(*path[:-1], renamed[str(path[-1])]) for path in old}
    return [
        (
            path,
            f"is called `{renamed[str(path[-1])]}` since format 1; rename it"
            if path in old
            else _reason(detail, _known_keys(model, path[:-1])),
        )
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
    """A path in words: a list entry is called by its `name` if it has one, else by its index."""
    words = []
    for part in path:
        value = value[part] if isinstance(value, list) or (isinstance(value, dict) and part in value) else None
        name = value.get("name") if isinstance(part, int) and isinstance(value, dict) else None
        words.append(name if isinstance(name, str) else str(part))
    return words


def _keys_as_written(value: Any, path: KeyPath) -> KeyPath:
    """The keys of a path as written in the file: pydantic also adds the branch of a union."""
    written: list[str | int] = []
    for number, part in enumerate(path, start=1):
        is_key = part in value if isinstance(value, Mapping) else isinstance(value, Sequence) and type(part) is int
        is_missing_key = number == len(path) and isinstance(value, Mapping)
        if not is_key and not is_missing_key:
            continue
        written.append(part)
        value = value[part] if is_key else None
    return tuple(written)


def _known_keys(kind: Any, path: KeyPath) -> set[str]:
    """The keys that a mapping at `path` of a file may have, where `kind` is what the whole file is read as."""
    arguments = get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        if "root" in fields:
            return _known_keys(fields["root"], path)
        if not path:
            return set(fields)
        return _known_keys(fields.get(str(path[0])), path[1:])
    if get_origin(kind) in (Annotated, Union, UnionType):
        return {key for each in arguments for key in _known_keys(each, path)}
    # A list or tuple of parts, or a mapping to them.
    return (
        _known_keys(arguments[-1 if len(arguments) > 1 and arguments[-1] is not ... else 0], path[1:])
        if (arguments and path)
        else set()
    )


def _reason(detail: ErrorDetails, known: Collection[str]) -> str:
    match detail["type"], detail["loc"]:
        case "missing", ("format",):
            return "is missing; write `format: 1` at the top, and correct the other problems listed"
        case "literal_error", ("format",):
            return f"is {detail['input']!r}, but this version of mlops reads format 1; upgrade mlops or the file"
        case "missing", _:
            return "is missing; add it"
        case "extra_forbidden", _:
            meant = did_you_mean(str(detail["loc"][-1]), known)
            return f"unknown key{meant}; correct its spelling or remove it"
        case "literal_error", _:
            choices = _QUOTED.findall(str(detail.get("ctx", {}).get("expected", "")))
            return f"{detail['msg']}, not {detail['input']!r}{did_you_mean(str(detail['input']), choices)}"
        case "string_type", _:
            return f"must be text, not {detail['input']!r}; put it in quotes"
        case (("model_type" | "model_attributes_type" | "dict_type"), _):
            return "must be a mapping of keys to values"
        case _:
            return detail["msg"].removeprefix("Value error, ")


def merged(document: Any, patch: Any) -> Any:
    """`document` overridden by `patch`; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    base = document if isinstance(document, dict) else {}
    kept = {key: value for key, value in base.items() if key not in patch}
    changed = {key: merged(base.get(key), value) for key, value in patch.items() if value is not None}
    return kept | changed
