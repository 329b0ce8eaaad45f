"""The parts of CI files that list stages: each stands between two comments, and follows from the list in project.yml.

A block begins with a line such as `# begin stages: deploy jobs` and ends with `# end stages`; what stands between is
written by `mlops check --fix`. All else in the files is the team's. Pure but for reading the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from textwrap import indent
from typing import Final

from mlops.settings.stages import StageOrder

_FILES: Final = (".github/**/*.yml", ".azuredevops/**/*.yml", "azure-pipelines.yml")
_BLOCK: Final = re.compile(
    r"^(?P<indent> *)# begin stages: (?P<kind>[^\n(]*?)(?P<note> \([^\n]*\))?\n(?P<body>(?:.*\n)*?) *# end stages$",
    re.MULTILINE,
)
_BEGIN: Final = re.compile(r"^ *# begin stages: ", re.MULTILINE)
_SHARED: Final = "shared"


@dataclass(frozen=True)
class Block:
    """A block of a CI file: the line of its first comment, and its text as it is and as it should be.

    `written` is None for a kind that nothing writes, or a block without an end.
    """

    file: PurePosixPath
    line: int
    kind: str
    text: str
    written: str | None

    @property
    def is_current(self) -> bool:
        """Whether the block follows from project.yml."""
        return self.text == self.written


def find_blocks(root: Path, order: StageOrder) -> Iterator[Block]:
    """Every block of the project's CI files, in the order of the files."""
    for file, text in _texts(root):
        yield from _blocks(file, text, order)


def written_files(root: Path, order: StageOrder) -> dict[PurePosixPath, tuple[str, str]]:
    """Path → text as it is and as it should be, of the CI files that do not follow from `order`."""
    found = {}
    for file, text in _texts(root):
        after = _BLOCK.sub(lambda block: _written(block, order) or block[0], text)
        if after != text:
            found[file] = (text, after)
    return found


def _texts(root: Path) -> Iterator[tuple[PurePosixPath, str]]:
    for path in sorted(path for pattern in _FILES for path in root.glob(pattern) if path.is_file()):
        yield PurePosixPath(path.relative_to(root).as_posix()), path.read_text(encoding="utf-8")


def _blocks(file: PurePosixPath, text: str, order: StageOrder) -> Iterator[Block]:
    ended = {block.start(): block for block in _BLOCK.finditer(text)}
    for begin in _BEGIN.finditer(text):
        line = text.count("\n", 0, begin.start()) + 1
        block = ended.get(begin.start())
        if block is None:
            yield Block(file, line, "", begin[0], None)
        else:
            yield Block(file, line, block["kind"], block[0], _written(block, order))


def _written(block: re.Match[str], order: StageOrder) -> str | None:
    """A block as it should be; None for an unknown kind."""
    write = _KINDS.get(block["kind"])
    if write is None:
        return None
    body = indent("".join(f"{line}\n" for line in write(order).splitlines()), block["indent"])
    first = f"{block['indent']}# begin stages: {block['kind']}{block['note'] or ''}\n"
    return f"{first}{body}{block['indent']}# end stages"


def _of_each(template: str, names: tuple[str, ...], separator: str = "\n") -> str:
    return separator.join(template.replace("NAME", name) for name in names)


def _stacks(order: StageOrder) -> tuple[str, ...]:
    return (_SHARED, *order)


def _promoted(order: StageOrder) -> tuple[str, ...]:
    """The stages that take models from another one, production first; the only one where there is one."""
    return tuple(reversed(order.names[1:])) or order.names


def _next(order: StageOrder) -> str:
    """What a newly trained model is proposed for."""
    return order.next_after(order.training) or order.training


_GITHUB_DEPLOY: Final = """\
NAME:
  needs: NEEDS
  if: CONDITION
  permissions:
    contents: write
    id-token: write
    pull-requests: write
  uses: ./.github/workflows/deploy-stage.yml
  with:
    stage: NAME
"""
_GITHUB_STACK: Final = """\
NAME:
  needs: NEEDS
  if: CONDITION
  permissions:
    contents: read
    id-token: write
  uses: ./.github/workflows/infra-stack.yml
  with:
    stack: NAME
"""
_GITHUB_DEPLOY_TRAINED: Final = """\
deploy:
  needs: register
  permissions:
    contents: write
    id-token: write
    pull-requests: write
  uses: ./.github/workflows/deploy-stage.yml
  with:
    stage: NAME
    version: ${{ needs.register.outputs.version }}

"""
_GITHUB_PROPOSE_TRAINED: Final = """\
promote:
  needs: NEEDS
  permissions:
    contents: write
    id-token: write
    pull-requests: write
  uses: ./.github/workflows/promote-stage.yml
  with:
    stage: NAME
"""
_AZURE_DEPLOY: Final = """\
- template: templates/deploy-stage.yml
  parameters:
    stage: NAME
    dependsOn: [NEEDS]
    condition: CONDITION
"""
_AZURE_STACK: Final = """\
- template: templates/infra-stack.yml
  parameters:
    stack: NAME
    dependsOn: [NEEDS]
"""
_AZURE_DEPLOY_TRAINED: Final = """\
- template: templates/deploy-stage.yml
  parameters:
    stage: NAME
    dependsOn: [train]
    version: $[ stageDependencies.train.register.outputs['register.version'] ]

"""
_AZURE_PROPOSE_TRAINED: Final = """\
- template: templates/promote-stage.yml
  parameters:
    stage: NAME
    dependsOn: [NEEDS]
"""


def _in_order(template: str, names: tuple[str, ...], first: str, conditions: tuple[str, str], brackets: str) -> str:
    """A job for each name, which needs `first` and every job before it; one that is skipped lets the next go on."""
    jobs = []
    for at, name in enumerate(names):
        needs = ", ".join((first, *names[:at]))
        job = template.replace("NEEDS", brackets.format(needs) if at else needs)
        jobs.append(job.replace("CONDITION", conditions[min(at, 1)]).replace("NAME", name))
    return "\n".join(jobs)


def _github_jobs(template: str, names: tuple[str, ...], first: str) -> str:
    flag = f"needs.{first}.outputs.NAME == 'true'"
    conditions = (flag, f"${{{{ !failure() && !cancelled() && {flag} }}}}")
    return _in_order(template, names, first, conditions, "[{}]")


def _azure_stages(order: StageOrder) -> str:
    flag = "eq(dependencies.plan.outputs['plan.plan.NAME'], 'true')"
    conditions = (f"and(succeeded(), {flag})", f"and(not(failed()), not(canceled()), {flag})")
    return _in_order(_AZURE_DEPLOY, order.names, "plan", conditions, "{}")


def _azure_stacks(order: StageOrder) -> str:
    return _in_order(_AZURE_STACK, _stacks(order), "changes", ("", ""), "{}").replace("\n\n", "\n")


def _trained(order: StageOrder, deploy: str, propose: str, needs: tuple[str, str]) -> str:
    """After a training: the model is deployed where it was trained, unless that is production, and proposed."""
    if len(order) == 1:
        return propose.replace("NEEDS", needs[0]).replace("NAME", order.production)
    proposal = propose.replace("NEEDS", needs[1]).replace("NAME", _next(order))
    return deploy.replace("NAME", order.training) + proposal


def _choice(key: str) -> Callable[[StageOrder], str]:
    return lambda order: f"{key}: [{', '.join(_promoted(order))}]\ndefault: {order.production}"


_KINDS: Final[dict[str, Callable[[StageOrder], str]]] = {
    "all stages": lambda order: f"options: [{', '.join(order)}]",
    "plan outputs": lambda order: _of_each("NAME: ${{ steps.plan.outputs.NAME }}", order.names),
    "deploy jobs": lambda order: _github_jobs(_GITHUB_DEPLOY, order.names, "plan"),
    "deploy stages": _azure_stages,
    "stack outputs": lambda order: _of_each("NAME: ${{ steps.changes.outputs.NAME }}", _stacks(order)),
    "stack jobs": lambda order: _github_jobs(_GITHUB_STACK, _stacks(order), "changes"),
    "stack stages": _azure_stacks,
    "stack matrix": lambda order: f"stack: [{', '.join(_stacks(order))}]",
    "stack loop": lambda order: f"- ${{{{ each stack in split('{','.join(_stacks(order))}', ',') }}}}:",
    "stage options": _choice("options"),
    "stage values": _choice("values"),
    "stage input": lambda order: f"stage: ${{{{ inputs.stage || '{order.production}' }}}}",
    "stage variable": lambda order: f"STAGE: ${{{{ inputs.stage || '{order.production}' }}}}",
    "stage group": lambda order: f"group: monitor-${{{{ inputs.stage || '{order.production}' }}}}",
    "training runner": lambda order: (
        f"runs-on: ${{{{ vars.RUNNER_{order.training.upper()} || 'ubuntu-24.04' }}}}\nenvironment: {order.training}"
    ),
    "training connection": lambda order: f"connection: {order.training}",
    "jobs after training": lambda order: _trained(
        order, _GITHUB_DEPLOY_TRAINED, _GITHUB_PROPOSE_TRAINED, ("register", "deploy")
    ),
    "stages after training": lambda order: _trained(
        order, _AZURE_DEPLOY_TRAINED, _AZURE_PROPOSE_TRAINED, ("train", order.training)
    ),
}
