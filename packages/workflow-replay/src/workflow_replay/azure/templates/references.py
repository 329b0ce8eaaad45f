"""Resolves the path in `template:`. No I/O.

Paths that start with `/` are relative to the repository's root, others to the including file; they are case-sensitive.
Only templates of the replayed repository are supported: `@self`, or no `@`.
"""

from __future__ import annotations

from posixpath import dirname

from workflow_replay.azure.templates.tree import SourceLocation
from workflow_replay.errors import Unreplayable


def resolve(reference: str, location: SourceLocation) -> str:
    """Return the path, from the repository's root, of a template that is referenced at `location`.

    Raises Unreplayable for other repositories, WorkflowError for paths outside of this one.
    """
    path, _, alias = reference.partition("@")
    if alias and alias.casefold() != "self":
        message = f"the template {reference} is in another repository, which a replay does not have"
        raise Unreplayable(location.limit(message, "It reads templates of its own repository only."))
    path = path.replace("\\", "/")
    joined = path if path.startswith("/") else f"{dirname(location.file)}/{path}"
    parts: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            if not parts:
                raise location.error(f"The file path {joined} is invalid")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
