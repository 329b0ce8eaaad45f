"""What a component runs: its command line, or the entry script of its parallel task."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from mlops.checks.pipelines.bindings import Port
from mlops.checks.yaml import fields
from mlops.checks.yaml.document import Document, Node, Problem
from mlops.checks.yaml.references import is_remote, local_path
from mlops.settings.project import HouseRule

# Names of any form, so that a wrong one is reported as itself.
NAMED: Final = re.compile(r"\$\{\{\s*(inputs|outputs)\.([^\s{}.]+)[^{}]*\}\}")
OPTIONAL_PART: Final = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
OPTIONAL_OPEN: Final = "$[["
OPTIONAL_CLOSE: Final = "]]"
SEPARATORS: Final = frozenset({"&&", "||", ";", "|", "&", "(", ")"})
INTERPRETER: Final = re.compile(r"(.*/)?(python[0-9.]*|bash|sh|Rscript)")
# Options that no script follows, and options that take a value.
WITHOUT_SCRIPT: Final = frozenset({"-c", "-m"})
WITH_VALUE: Final = frozenset({"-W", "-X", "-o", "-O"})
UNUSED: Final[dict[str, HouseRule]] = {"inputs": "unused-input", "outputs": "unused-output"}
PLACEHOLDER: Final = "placeholder"


@dataclass(frozen=True, slots=True)
class Mention:
    """A `${{inputs.x}}` or `${{outputs.y}}`; `is_guarded` says whether it is inside `$[[ ]]`."""

    kind: str
    name: str
    text: str
    is_guarded: bool


def mentions(text: str) -> Iterator[Mention]:
    """Yield every input and output that `text` names."""
    guarded = [(match.start(), match.end()) for match in OPTIONAL_PART.finditer(text)]
    for match in NAMED.finditer(text):
        inside = any(start < match.start() < end for start, end in guarded)
        yield Mention(match.group(1), match.group(2), match.group(0), inside)


def has_open_part(text: str) -> bool:
    """Whether a `$[[` is never closed."""
    return OPTIONAL_OPEN in OPTIONAL_PART.sub("", text)


def scripts(text: str) -> list[str]:
    """Return the script files that the command runs with an interpreter, as written.

    Raises ValueError if quotes are not closed.
    """
    plain = NAMED.sub(PLACEHOLDER, text).replace(OPTIONAL_OPEN, " ").replace(OPTIONAL_CLOSE, " ")
    lines = [line for line in plain.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    lexer = shlex.shlex(" ; ".join(lines), posix=True, punctuation_chars=True)
    lexer.commenters = ""
    lexer.whitespace_split = True
    words = list(lexer)
    found = []
    for index, word in enumerate(words):
        begins = index == 0 or words[index - 1] in SEPARATORS or "=" in words[index - 1]
        if begins and INTERPRETER.fullmatch(word) and (script := _script_after(words[index + 1 :])):
            found.append(script)
    return found


def _script_after(words: list[str]) -> str | None:
    skip = False
    for word in words:
        if word in SEPARATORS or word in WITHOUT_SCRIPT:
            return None
        if skip or word.startswith("-"):
            skip = word in WITH_VALUE
            continue
        is_file = PurePosixPath(word).suffix and "$" not in word and not word.startswith("/")
        return word if is_file else None
    return None


# The fields of the component and of its task that may name inputs and outputs.
_NAMING: Final = ("input_data", "task")


def check_parallel(
    document: Document, node: Node, inputs: dict[str, Port], outputs: dict[str, Port]
) -> Iterator[Problem]:
    """Yield what is wrong with what a parallel component runs; its fields, name and ports are checked elsewhere."""
    task = node.get("task")
    if task is None:
        yield document.problem(node, "there is no `task`", "say what to run: code, entry_script, environment")
        return
    yield from fields.unknown_fields(document, task, fields.PARALLEL_TASK, "a task")
    yield from _check_input(document, node, inputs)
    yield from _check_mentions(document, node, inputs, outputs)
    yield from _check_script(document, task)


def _check_input(document: Document, node: Node, inputs: dict[str, Port]) -> Iterator[Problem]:
    source = node.get("input_data")
    named = [each for each in mentions(source.text or "") if each.kind == "inputs"] if source else []
    if len(named) != 1:
        advice = "write input_data: ${{inputs.NAME}}"
        yield document.problem(source or node, "`input_data` names no input to split into mini-batches", advice)
    elif (port := inputs.get(named[0].name)) is not None and not port.is_data:
        yield document.problem(source or node, f"input `{port.name}` is a literal", "split an input that carries data")


def _check_mentions(
    document: Document, node: Node, inputs: dict[str, Port], outputs: dict[str, Port]
) -> Iterator[Problem]:
    declared = {"inputs": inputs, "outputs": outputs}
    used: set[tuple[str, str]] = set()
    for name in _NAMING:
        child = node.get(name)
        for text in child.strings() if child else ():
            for mention in mentions(text.text or ""):
                used.add((mention.kind, mention.name))
                if mention.name not in declared[mention.kind]:
                    message = f"{mention.text} is not declared"
                    advice = f"declare it under `{mention.kind}` or correct the name"
                    yield document.problem(document.line_of(text, mention.text), message, advice)
    for kind, ports in declared.items():
        for port in ports.values():
            if (kind, port.name) not in used:
                message = f"the task never uses its {kind[:-1]} `{port.name}`"
                advice = f"pass it in program_arguments as ${{{{{kind}.{port.name}}}}}, or remove it"
                yield document.problem(port.node, message, advice, UNUSED[kind])


def _check_script(document: Document, task: Node) -> Iterator[Problem]:
    code, script = task.get("code"), task.get("entry_script")
    if script is None or not script.text:
        yield document.problem(task, "the task has no `entry_script`", "name the Python file with init() and run()")
        return
    if code is None or not code.text or is_remote(code.text):
        return
    folder = local_path(code.text, document.path.parent)
    if folder is None or not folder.is_dir():
        yield document.problem(code, f"the code folder {code.text!r} does not exist", "correct the path")
    elif not (folder / script.text).is_file():
        message = f"the entry script {script.text!r} is not found in {code.text!r}"
        yield document.problem(script, message, "correct the name, which is relative to the code folder")
