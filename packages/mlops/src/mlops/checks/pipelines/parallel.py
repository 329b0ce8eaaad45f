"""A parallel component: its task, the input that it cuts, and the entry script that its code folder must hold."""

from collections.abc import Iterator
from typing import Final

from mlops.checks.pipelines.bindings import Port
from mlops.checks.pipelines.command import mentions
from mlops.checks.yaml import fields
from mlops.checks.yaml.document import Document, Node
from mlops.checks.yaml.problem import Problem
from mlops.checks.yaml.references import is_remote, local_path

# What of the component and of its task names inputs and outputs.
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
        yield document.problem(source or node, "`input_data` names no input to be cut into mini-batches", advice)
    elif (port := inputs.get(named[0].name)) is not None and not port.is_data:
        yield document.problem(source or node, f"the input `{port.name}` is a value", "cut one that carries data")


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
                advice = f"pass it on in program_arguments by ${{{{{kind}.{port.name}}}}}, or remove it"
                yield document.problem(port.node, message, advice)


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
        yield document.problem(script, message, "correct the name; it starts at the code folder")
