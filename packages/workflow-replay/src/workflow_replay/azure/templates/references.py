"""Which file a `template:` names, from the file that names it. Pure.

A path begins at the repository's top with `/`, and beside the naming file without; case counts. Only files of the
replayed repository can be named: `@self`, or no `@` at all.
"""

from __future__ import annotations

from posixpath import dirname

from workflow_replay.azure.templates.tree import Place


def resolve(reference: str, place: Place) -> str:
    """Return the path, from the repository's top, of the template that a reference at `place` names.

    Raises WorkflowError for other repositories and for paths that leave this one.
    """
    path, _, alias = reference.partition("@")
    if alias and alias.casefold() != "self":
        raise place.wrong(
            f"No repository found by name {alias}",
            "A replay reads templates of its own repository only: keep them there, without `@` or with `@self`.",
        )
    path = path.replace("\\", "/")
    joined = path if path.startswith("/") else f"{dirname(place.file)}/{path}"
    parts: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            if not parts:
                raise place.wrong(f"The file path {joined} is invalid")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
