"""A component, or a command written inside a pipeline: its declaration and its checks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops.checks.pipelines.bindings import DATA_TYPES, TYPES, Port, declared_ports
from mlops.checks.pipelines.command import UNUSED, check_parallel, has_open_part, mentions, scripts
from mlops.checks.yaml import fields
from mlops.checks.yaml import references as literals
from mlops.checks.yaml.document import PLAIN_VALUE, Document, Node, Problem
from mlops.checks.yaml.references import (
    COMPONENT_NAME,
    FILE_PREFIX,
    PORT_NAME,
    PORT_NAME_ADVICE,
    SEMANTIC_VERSION,
    VERSION,
    is_registered,
    is_remote,
    local_path,
)
from model_package.errors import did_you_mean

COMMAND = "command"
PARALLEL = "parallel"
PIPELINE = "pipeline"
SPARK = "spark"
_FIELDS = {
    COMMAND: fields.COMMAND_COMPONENT,
    SPARK: fields.SPARK_COMPONENT,
    PARALLEL: fields.PARALLEL_COMPONENT,
    PIPELINE: fields.PIPELINE_COMPONENT,
}


@dataclass(frozen=True, slots=True)
class Component:
    """What a step runs. `node` is the mapping that declares it: a whole file, or a step of a pipeline."""

    document: Document
    node: Node
    kind: str
    inputs: dict[str, Port]
    outputs: dict[str, Port]

    @property
    def folder(self) -> Path:
        """The folder that its paths are relative to."""
        return self.document.path.parent

    @property
    def code(self) -> Path | None:
        """The folder with its code, if it is in this project."""
        node = self.node.get("task", "code") if self.kind == PARALLEL else self.node.get("code")
        return local_path(node.text, self.folder) if node and node.text else None

    @property
    def environment(self) -> Node | None:
        """The software environment that it names."""
        return self.node.get("task", "environment") if self.kind == PARALLEL else self.node.get("environment")

    @property
    def includes(self) -> list[tuple[Node, Path]]:
        """Files and folders that ship with the code; a folder may be named as the zip file that the SDK makes of it."""
        listed = self.node.get("additional_includes")
        elements = listed.elements if listed else []
        return [(each, _zipped_folder(Path(self.folder, each.text).resolve())) for each in elements if each.text]


def _zipped_folder(path: Path) -> Path:
    folder = path.with_suffix("")
    return folder if path.suffix == ".zip" and not path.exists() and folder.is_dir() else path


def read_component(document: Document, node: Node) -> Component:
    """Read a component file, or a command step that declares its own inputs and outputs."""
    kind = node.get("type")
    default = PIPELINE if node.get("jobs") else COMMAND
    return Component(
        document=document,
        node=node,
        kind=(kind.text if kind else None) or default,
        inputs=declared_ports(node.get("inputs")),
        outputs=declared_ports(node.get("outputs")),
    )


def check_component(component: Component) -> Iterator[Problem]:
    """Yield everything wrong with a component file on its own."""
    known = _FIELDS.get(component.kind)
    if known is not None:
        yield from fields.unknown_fields(component.document, component.node, known, "a component")
    yield from _check_identity(component)
    yield from check_ports(component.document, component.inputs, "input")
    yield from check_ports(component.document, component.outputs, "output")
    if component.kind == COMMAND:
        yield from check_command(component)
    if component.kind == PARALLEL:
        yield from check_parallel(component.document, component.node, component.inputs, component.outputs)
        task = component.node.get("task")
        yield from check_environment_reference(component.document, component.environment, task or component.node)


def check_ports(
    document: Document,
    ports: dict[str, Port],
    kind: str,
    given: Callable[[Document, Node, str], Iterator[Problem]] | None = None,
) -> Iterator[Problem]:
    """Yield what is wrong with inputs or outputs (`kind`) on their own.

    They are declared by a component, unless a job gives them: then `given` checks their fields.
    """
    for port in ports.values():
        where = f"{kind} `{port.name}`"
        if not PORT_NAME.fullmatch(port.name):
            yield document.problem(port.node, f"`{port.name}` is not a valid name of an {kind}", PORT_NAME_ADVICE)
        if given is not None:
            yield from given(document, port.node, where)
        elif reason := _undeclared(port):
            yield document.problem(port.node, f"{where} {reason}", "write it as a mapping, such as {type: uri_file}")
            continue
        else:
            known = fields.of_declared_input(port.node) if kind == "input" else fields.DECLARED_OUTPUT
            yield from fields.unknown_fields(document, port.node, known, where)
        # A step may write a value; a job only fills in data.
        expected = DATA_TYPES if given is not None and kind == "output" else TYPES
        if port.type is not None and port.type not in expected:
            at = port.node.get("type") or port.node
            yield document.problem(at, f"{where} has the unknown type `{port.type}`", f"use one of {_listed(expected)}")
        elif reason := _wrong_default(port):
            at = port.default or port.node
            yield document.problem(at, f"default of {where}: {reason}", "correct the default")
        if port.type == "string" and isinstance(port.default and port.default.value, int | float):
            yield from _default_as_text(document, port, where)
        if port.minimum is not None and port.maximum is not None and port.minimum > port.maximum:
            yield document.problem(port.node, f"{where} has a min above its max", "swap them")


def _undeclared(port: Port) -> str | None:
    """Return what the declaration of an input or output of a component lacks, or has too much."""
    if port.node.get("type") is None:
        return "declares no type"
    choices, default = port.node.get("enum"), port.node.get("default")
    if any(each.text is None for each in (choices.elements if choices else ())):
        return "lists choices that are not text: put them in quotes"
    if default is not None and default.value is None:
        return "has an empty default: remove it"
    if port.type == "string" and (port.node.get("min") or port.node.get("max")):
        return "has a range, and is text"
    return None


def _default_as_text(document: Document, port: Port, where: str) -> Iterator[Problem]:
    """The SDK reads a plain number as a float first, even where the type is text."""
    value = port.default.value if port.default else None
    if port.default is not None and isinstance(value, int | float) and not isinstance(value, bool):
        message = f"default of {where}: the SDK sends {value} as {str(float(value))!r}"
        yield document.problem(port.default, message, f'write "{value}": in quotes', PLAIN_VALUE)


def check_command(component: Component) -> Iterator[Problem]:
    """Yield what is wrong with a command: its inputs and outputs, its scripts and files, its environment."""
    document, command = component.document, component.node.get("command")
    if command is None or not command.text:
        yield document.problem(component.node, "there is no `command`", "say what to run, such as python step.py")
        return
    yield from check_mentions(component, command, command.text)
    yield from check_unused(component)
    yield from check_includes(component)
    yield from _check_code(component, command, command.text)
    yield from check_environment_reference(document, component.node.get("environment"), component.node)


def check_environment_reference(document: Document, node: Node | None, owner: Node) -> Iterator[Problem]:
    """Yield what is wrong with the `environment` of a command or a deployment."""
    if node is None:
        yield document.problem(owner, "no `environment` is named", "write environment: file:<path to its YAML>")
    elif node.text is None:
        return
    elif node.text.startswith(FILE_PREFIX):
        path = local_path(node.text, document.path.parent)
        if path is not None and not path.is_file():
            meant = did_you_mean(path.name, [each.name for each in path.parent.glob("*.yml")])
            message = f"the environment file {node.text!r} does not exist{meant}"
            yield document.problem(node, message, "correct the path")
    elif not is_registered(node.text):
        advice = "write file:<path to its YAML> or azureml:<name>:<version>"
        yield document.problem(node, f"`environment: {node.text}` is not a reference", advice)


def _wrong_default(port: Port) -> str | None:
    if port.default is None or isinstance(port.default.value, list | dict):
        return None
    return literals.refusal(port.default.value, port)


def _check_identity(component: Component) -> Iterator[Problem]:
    document, node = component.document, component.node
    name, version = node.get("name"), node.get("version")
    if name is None or not COMPONENT_NAME.fullmatch(str(name.value)):
        advice = "use lower-case letters, digits and `_`, and begin with a letter"
        yield document.problem(name or node, "a component needs a `name` that Azure ML accepts", advice)
    yield from check_version(document, version, node)


def check_version(document: Document, version: Node | None, owner: Node) -> Iterator[Problem]:
    """Yield what is wrong with the `version` of an asset: Azure numbers one that has none, and takes any word."""
    if version is not None and not VERSION.fullmatch(str(version.value)):
        message = f"{version.shown} is not a version that Azure ML accepts"
        yield document.problem(version, message, "use letters, digits, `_`, `-` and `.`")
    elif version is None or not SEMANTIC_VERSION.fullmatch(str(version.value)):
        message = "the `version` is not semantic" if version else "there is no `version`: each registration adds one"
        yield document.problem(version or owner, message, "write one such as 1.0.0", "semantic-version")


def check_mentions(component: Component, command: Node, text: str) -> Iterator[Problem]:
    """Yield the inputs and outputs that a command line (`text`, written at `command`) names wrongly."""
    declared = {"inputs": component.inputs, "outputs": component.outputs}
    if has_open_part(text):
        yield component.document.problem(command, "a `$[[` in the command is never closed", "close it with `]]`")
    for mention in mentions(text):
        port = declared[mention.kind].get(mention.name)
        line = component.document.line_of(command, mention.text)
        if port is None:
            message = f"the command names {mention.text}, which is not declared"
            yield component.document.problem(line, message, f"declare it under `{mention.kind}` or correct the name")
        elif mention.kind == "inputs" and port.optional and not mention.is_guarded:
            message = f"the optional input `{port.name}` is outside $[[ ]]"
            yield component.document.problem(line, message, f"write $[[--{port.name} {mention.text}]]")


def check_unused(component: Component) -> Iterator[Problem]:
    """Yield the inputs and outputs that no field of the component names."""
    used = {
        (mention.kind, mention.name)
        for name, child in component.node.entries.items()
        if name not in {"inputs", "outputs"}
        for node in child.strings()
        for mention in mentions(node.text or "")
    }
    for kind, ports in (("inputs", component.inputs), ("outputs", component.outputs)):
        for port in ports.values():
            if (kind, port.name) not in used:
                message = f"the command never uses its {kind[:-1]} `{port.name}`"
                advice = f"pass it as ${{{{{kind}.{port.name}}}}}, or remove it"
                yield component.document.problem(port.node, message, advice, UNUSED[kind])


def check_includes(component: Component) -> Iterator[Problem]:
    """Yield what is to ship with the code and does not exist."""
    for node, path in component.includes:
        if not path.exists():
            message = f"{node.text!r} of additional_includes does not exist"
            yield component.document.problem(node, message, "correct the path, which is relative to this file's folder")


def _check_code(component: Component, command: Node, text: str) -> Iterator[Problem]:
    document, node, folder = component.document, component.node.get("code"), component.code
    if node is not None and (node.text is None or is_remote(node.text)):
        return
    if node is not None and (folder is None or not folder.exists()):
        yield document.problem(node, f"the code folder {node.text!r} does not exist", "correct the path")
        return
    try:
        named = scripts(text)
    except ValueError as error:
        yield document.problem(command, f"the command cannot be split into words: {error}", "close the quotes")
        return
    for script in named:
        if not _is_shipped(script, folder, component):
            line = document.line_of(command, script)
            place = f"in the code folder {node.text!r}" if node else "because `code` is not given"
            advice = "correct the name, or set `code` to the script's folder"
            yield document.problem(line, f"the script {script!r} is not found {place}", advice)


def _is_shipped(script: str, folder: Path | None, component: Component) -> bool:
    places = [folder / script] if folder else []
    first, *rest = Path(script).parts
    places += [path.joinpath(*rest) for _, path in component.includes if path.name == first]
    return any(place.is_file() for place in places)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
