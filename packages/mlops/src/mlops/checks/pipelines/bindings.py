"""The `${{…}}` expressions that connect steps. Pure: text in, bindings out."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

EXPRESSION: Final = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
PARENT: Final = "parent."
FORMS: Final = (
    re.compile(r"parent\.(?P<kind>inputs)\.(?P<name>\w+)"),
    re.compile(r"parent\.(?P<kind>outputs)\.(?P<name>\w+)"),
    re.compile(r"parent\.jobs\.(?P<job>\w+)\.(?P<kind>outputs)\.(?P<name>\w+)"),
)
ADVICE: Final = "write ${{parent.inputs.NAME}}, ${{parent.outputs.NAME}} or ${{parent.jobs.STEP.outputs.NAME}}"


@dataclass(frozen=True, slots=True)
class Binding:
    """One expression: `job` is None for the pipeline's own inputs and outputs, `kind` if it is malformed."""

    text: str
    kind: str | None
    name: str
    job: str | None
    is_whole: bool


def bindings_in(text: str) -> Iterator[Binding]:
    """Yield every expression in `text`; `is_whole` tells whether it is all of the text."""
    for match in EXPRESSION.finditer(text):
        is_whole = match.group(0) == text.strip()
        yield _parse(match.group(0), match.group(1), is_whole=is_whole)


def references_to_parent(text: str) -> Iterator[Binding]:
    """Yield the expressions in `text` that begin with `parent.`; others are filled in by the service."""
    return (each for each in bindings_in(text) if each.text.strip("${} ").startswith(PARENT))


def find_cycle(needs: Mapping[str, set[str]]) -> list[str] | None:
    """Return the steps of one cycle in the order of data, the first again at the end, or None.

    `needs` maps a step to those whose outputs it reads.
    """
    done: set[str] = set()
    for start in needs:
        path = _walk(start, needs, done, [])
        if path:
            return path[::-1]
    return None


def _walk(step: str, needs: Mapping[str, set[str]], done: set[str], path: list[str]) -> list[str] | None:
    if step in path:
        return [*path[path.index(step) :], step]
    if step in done:
        return None
    for needed in sorted(needs.get(step, set())):
        if cycle := _walk(needed, needs, done, [*path, step]):
            return cycle
    done.add(step)
    return None


def _parse(text: str, inner: str, *, is_whole: bool) -> Binding:
    for form in FORMS:
        if match := form.fullmatch(inner):
            parts = match.groupdict()
            return Binding(text, parts["kind"], parts["name"], parts.get("job"), is_whole)
    return Binding(text, None, inner, None, is_whole)
