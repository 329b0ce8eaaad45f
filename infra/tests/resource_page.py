"""Writes docs/infrastructure-resources.md: `uv run --directory infra python -m tests.resource_page`.

Drawn from the program: where each kind of resource is declared, and a diagram of the sample's prod. A test compares.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from arm_kinds import KINDS
from dry_run.stack_files import FOLDER
from inventory.diagram import diagram_of
from settings.project import ROOT
from tests.conftest import dry_run_of

PAGE = ROOT / "docs" / "infrastructure-resources.md"
PROVIDER = "pulumi_azure_native"
HEAD = """\
# Where each Azure resource is declared

Written by `uv run --directory infra python -m tests.resource_page`, from the program; a test fails when it is out of
date. What a stack of yours declares, with regions, sizes and rights:
`uv run mlops infra inventory --stage prod`.

| resource | Azure's type | declared in |
|---|---|---|
"""


def page() -> str:
    """The page's text."""
    places = declared_in()
    rows = "".join(
        f"| {kind.label or name(type_)} | `{kind.arm_type}` | {', '.join(places.get(type_, ()))} |\n"
        for type_, kind in sorted(KINDS.items(), key=lambda each: each[1].arm_type)
    )
    return f"{HEAD}{rows}\n## A private stage\n\n```mermaid\n{diagram_of(dry_run_of('prod'))}```\n"


def declared_in() -> dict[str, list[str]]:
    """The files that declare each type of the provider, as links."""
    found: dict[str, list[str]] = {}
    for file in sorted([*FOLDER.glob("*.py"), *(FOLDER / "resources").rglob("*.py")]):
        path = file.relative_to(FOLDER.parent).as_posix()
        for type_ in sorted(set(types_in(file))):
            found.setdefault(type_, []).append(f"[{path.removeprefix('infra/')}](../{path})")
    return found


def types_in(file: Path) -> Iterator[str]:
    """Every type of the provider that a module declares: `network:Subnet` for `network.Subnet(…)`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == PROVIDER
        for alias in node.names
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=kind)) if module in modules:
                yield f"{modules[module]}:{kind}"


def name(type_: str) -> str:
    """`Private dns zone group` for `network:PrivateDnsZoneGroup`."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type_.split(":")[1])
    return words.strip()


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
