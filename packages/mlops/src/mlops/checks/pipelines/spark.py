"""A Spark component and the steps that run it: what the SDK refuses, and modules that executors would not find.

Functions inside `mapInArrow` run on executors, which have what `py_files` brings them and nothing else of the code.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from mlops.checks.pipelines.bindings import DATA_TYPES, Port
from mlops.checks.pipelines.component import (
    Component,
    check_environment_reference,
    check_includes,
    check_mentions,
    check_unused,
)
from mlops.checks.pipelines.steps import Step
from mlops.checks.yaml.document import MLOPS, Document, Node, Problem
from mlops.core.documents import read_text

_INSTANCE_TYPES: Final = tuple(f"standard_e{cores}s_v3" for cores in (4, 8, 16, 32, 64))
_IDENTITIES: Final = frozenset({"managed", "managed_identity", "user_identity"})
_NEEDED: Final = ("spark.driver.cores", "spark.driver.memory", "spark.executor.cores", "spark.executor.memory")
_INSTANCES: Final = "spark.executor.instances"
_DYNAMIC: Final = "spark.dynamicAllocation.enabled"
_BOUNDS: Final = ("spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.maxExecutors")
_LISTS: Final = ("py_files", "files", "jars", "archives")
_ON_DATA: Final = frozenset({"uri_file", "uri_folder"})
_DIRECT: Final = "direct"
_ZIP: Final = ".zip"


def check_spark(component: Component) -> Iterator[Problem]:
    """Yield what is wrong with what a Spark component runs; its fields, name and ports are checked elsewhere."""
    document, node = component.document, component.node
    if (arguments := node.get("args")) and arguments.text:
        yield from check_mentions(component, arguments, arguments.text)
    yield from check_unused(component)
    yield from check_includes(component)
    if node.get("environment"):
        yield from check_environment_reference(document, component.environment, node)
    for port in (*component.inputs.values(), *component.outputs.values()):
        yield from _check_port(document, port)
    yield from _check_entry(component)


def check_spark_step(document: Document, step: Step) -> Iterator[Problem]:
    """Yield what is wrong with where a Spark step runs, as whom, and with how much of it."""
    node, resources = step.node, step.node.get("resources")
    if bool(resources) == bool(node.get("compute")):
        which = "both `resources` and `compute`" if resources else "neither `resources` nor `compute`"
        message = f"the Spark step `{step.name}` has {which}"
        advice = 'write resources: {instance_type: standard_e4s_v3, runtime_version: "3.5"}, or name an attached pool'
        yield document.problem(resources or node, message, advice)
    elif resources:
        yield from _check_resources(document, resources)
    kind = node.get("identity", "type")
    if kind is not None and kind.value not in _IDENTITIES:
        yield document.problem(kind, f"a Spark step has no identity {kind.shown}", "write user_identity or managed")
    if step.component is not None:
        above, below = node.get("conf"), step.component.node.get("conf")
        conf = {**(below.entries if below else {}), **(above.entries if above else {})}
        message = _wrong_conf({name: each.value for name, each in conf.items()})
        if message:
            yield document.problem(above or node, f"`conf` of the Spark step `{step.name}` {message}", "correct `conf`")


def _check_port(document: Document, port: Port) -> Iterator[Problem]:
    if port.type not in DATA_TYPES:
        return
    if port.type not in _ON_DATA:
        yield document.problem(port.node, f"`{port.name}` is of type {port.type}", "use uri_file or uri_folder")
    mode = port.node.get("mode")
    if mode is None or mode.text != _DIRECT:
        message = f"`{port.name}` has {f'the mode {mode.shown}' if mode else 'no mode'}: Spark opens data by itself"
        yield document.problem(mode or port.node, message, "write mode: direct")


def _check_resources(document: Document, resources: Node) -> Iterator[Problem]:
    kind, version = resources.get("instance_type"), resources.get("runtime_version")
    if kind is None or (kind.text or "").lower() not in _INSTANCE_TYPES:
        message = f"serverless Spark has no instance type {kind.shown}" if kind else "there is no `instance_type`"
        yield document.problem(kind or resources, message, f"use one of {', '.join(_INSTANCE_TYPES)}")
    if version is None or version.text is None:
        message = f"the runtime version {version.shown} is no text" if version else "there is no `runtime_version`"
        yield document.problem(version or resources, message, 'write it in quotes, such as "3.5"')


def _wrong_conf(conf: Mapping[str, object]) -> str | None:
    """Return what the SDK refuses of the configuration of a step."""
    is_dynamic = str(conf.get(_DYNAMIC)).lower() == "true"
    needed = (*_NEEDED, *_BOUNDS) if is_dynamic else (*_NEEDED, _INSTANCES)
    if missing := [name for name in needed if conf.get(name) is None]:
        return f"lacks {', '.join(missing)}"
    if not is_dynamic:
        given = [name for name in _BOUNDS if conf.get(name) is not None]
        return f"has {' and '.join(given)} without {_DYNAMIC}: true" if given else None
    least, most = (_number(conf[name]) for name in _BOUNDS)
    instances = _number(conf.get(_INSTANCES, least))
    return None if 0 < least <= instances <= most else f"must have 0 < {_BOUNDS[0]} ≤ {_INSTANCES} ≤ {_BOUNDS[1]}"


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0


def _check_entry(component: Component) -> Iterator[Problem]:
    document, node = component.document, component.node
    entry = node.get("entry")
    file = entry.get("file") if entry else None
    if entry is None or (file is None and entry.get("class_name") is None):
        yield document.problem(entry or node, "there is no `entry`", "name a Python file: entry: {file: step.py}")
        return
    shipped = _shipped(component)
    for name in _LISTS:
        yield from _check_files(document, name, node.get(name), shipped)
    if file is None or not file.text:
        return
    if file.text not in shipped:
        yield document.problem(file, f"the entry {file.text!r} is not in the code", "correct the name")
        return
    yield from _check_imports(component, file.text, shipped)


def _check_files(document: Document, name: str, listed: Node | None, shipped: Mapping[str, Path]) -> Iterator[Problem]:
    seen: set[str] = set()
    for each in listed.elements if listed else ():
        if each.text in seen:
            yield document.problem(each, f"`{name}` names {each.shown} twice", "remove one of them")
        elif each.text not in shipped:
            message = f"{each.shown} of `{name}` is not in the code"
            yield document.problem(each, message, "correct the path, or bring it by additional_includes")
        seen.add(each.text or "")


def _shipped(component: Component) -> dict[str, Path]:
    """Return the files that travel with a component, by their paths in its code; a zipped folder is itself."""
    found: dict[str, Path] = {}
    folders = [(PurePosixPath(), component.code)] if component.code else []
    for node, path in component.includes:
        name = PurePosixPath((node.text or "").rstrip("/")).name
        if path.is_file() or name.endswith(_ZIP):
            found[name] = path
        else:
            folders.append((PurePosixPath(name), path))
    for prefix, folder in folders:
        files = (file for file in folder.rglob("*") if file.is_file())
        found |= {(prefix / file.relative_to(folder).as_posix()).as_posix(): file for file in files}
    return found


def _check_imports(component: Component, entry: str, shipped: Mapping[str, Path]) -> Iterator[Problem]:
    """Yield the modules of the code that the entry, or one of them, imports, and that `py_files` does not bring."""
    listed = component.node.get("py_files")
    brought = {PurePosixPath(each.text or "").stem for each in listed.elements} if listed else set()
    modules = {name.partition("/")[0].removesuffix(".py"): name for name in shipped if name.endswith((".py", _ZIP))}
    modules |= {PurePosixPath(name).stem: name for name in shipped if name.endswith(_ZIP)}
    waiting, seen = [entry], {entry}
    while waiting:
        importer = waiting.pop(0)
        for name in _imported(shipped[importer]):
            file = modules.get(name)
            if file is None or file in seen:
                continue
            seen.add(file)
            if name not in brought:
                message = f"{importer} imports {name}, which executors do not find"
                advice = f"add {f'{name}.py' if f'{name}.py' in shipped else f'{name}.zip'} to `py_files`"
                yield component.document.problem(listed or component.node, message, advice, MLOPS)
            elif file == f"{name}.py":
                waiting.append(file)


def _imported(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(read_text(file))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
