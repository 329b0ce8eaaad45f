"""Expands a pipeline file: evaluates `${{ }}`, applies directives and inserts templates.

The order is that of the service. The `variables` of a mapping come first, so that the rest of the mapping, and nothing
else, can read them. Each file sees its own parameters only. Of an if-chain only the first branch whose condition is
true is read. An ordinary neighbour does not end a chain; `each` and `insert` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TypeVar

from workflow_replay.azure.expressions import CaseInsensitiveDict, ExpressionError, Value, evaluate, to_boolean, to_text
from workflow_replay.azure.expressions.syntax import TEMPLATE
from workflow_replay.azure.templates.chains import Chain, Pairs
from workflow_replay.azure.templates.directives import Branch, Directive, Each, Insert, directive
from workflow_replay.azure.templates.frames import Frame, listed
from workflow_replay.azure.templates.parameters import Parameter, bind, declared, queued
from workflow_replay.azure.templates.references import resolve
from workflow_replay.azure.templates.scalars import lone_expression, parts
from workflow_replay.azure.templates.tree import Entries, Items, Node, SourceLocation, Text, read, untyped

MAX_FILES = 100
MAX_NESTING = 100

_Result = TypeVar("_Result")

Source = Callable[[str], str | None]
"""Returns the text of a file by its path from the repository's root, None if there is no such file."""


class _Kind(Enum):
    """The kind of a list whose members may be templates."""

    STAGE = "stages"
    JOB = "jobs"
    STEP = "steps"
    VARIABLE = "variables"


_LISTS = {kind.value: kind for kind in _Kind}
_TYPES_OF_LISTS = {
    "stageList": _Kind.STAGE,
    "jobList": _Kind.JOB,
    "deploymentList": _Kind.JOB,
    "stepList": _Kind.STEP,
}
_TRIGGERS = frozenset({"pr", "resources", "schedules", "trigger"})
_MAY_HAVE_TEMPLATE = frozenset({"template", "parameters"})
_ROOT_OF_TEMPLATE = frozenset({"parameters", "resources"})
_ROOT_OF_EXTENDED = _ROOT_OF_TEMPLATE | {"stages", "jobs", "steps", "variables", "extends", "pool", "name"}


def expand(source: Source, file: str, variables: Mapping[str, str], arguments: Mapping[str, str]) -> Entries:
    """Return the expanded tree of a pipeline file.

    `variables` are the predefined ones that are known before the run, `arguments` the values of the file's parameters.
    Raises WorkflowError with file and line.
    """
    return _Expander(source).pipeline(file, variables, arguments)


def expand_triggers(source: Source, file: str) -> Entries:
    """Return only the triggers of a pipeline file. They have no expressions, so that parameters need no values.

    Raises WorkflowError with file and line.
    """
    return _Expander(source).triggers(file)


class _Expander:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = 0

    def pipeline(self, file: str, variables: Mapping[str, str], arguments: Mapping[str, str]) -> Entries:
        root = self._file(file, SourceLocation(file, 1))
        parameters = declared(root.find("parameters"), in_template=False)
        values = bind(parameters, queued(parameters, arguments, root.location), root.location, closed=True)
        tree = self._entries(root.without("parameters"), Frame(values, dict(variables)))
        return self._extended(tree, dict(variables))

    def triggers(self, file: str) -> Entries:
        root = self._file(file, SourceLocation(file, 1))
        pairs = tuple(pair for pair in root.pairs if pair[0].text in _TRIGGERS)
        return self._entries(Entries(pairs, root.location), Frame(None, {}))

    # files

    def _file(self, path: str, location: SourceLocation) -> Entries:
        self._files += 1
        if self._files > MAX_FILES:
            raise location.error(f"No more than {MAX_FILES} separate YAML files may be included")
        text = self._source(path)
        if text is None:
            raise location.error(f"File /{path} not found in the repository", "Paths are case-sensitive.")
        root = read(text, path)
        if not isinstance(root, Entries):
            raise root.location.error("Expected a mapping")
        return root

    def _extended(self, tree: Entries, variables: Mapping[str, Value]) -> Entries:
        extends = tree.find("extends")
        if extends is None:
            return tree
        if not isinstance(extends, Entries):
            raise extends.location.error("Expected a mapping with `template`")
        for key in ("stages", "jobs", "steps"):
            if tree.find(key) is not None:
                raise tree.location_of(key).error(
                    f"Unexpected value '{key}': a pipeline that extends a template cannot have {key}"
                )
        frame = Frame(None, variables).seeing(tree.find("variables"))
        template, inner = self._load_template(extends, frame, _ROOT_OF_EXTENDED)
        expanded = self._extended(self._entries(template, inner), inner.variables)
        own = tree.without("extends")
        merged = [pair for pair in expanded.pairs if own.find(pair[0].text) is None]
        shared = own.find("variables"), expanded.find("variables")
        if all(shared):
            both = Items((*listed(shared[1]), *listed(shared[0])), tree.location)
            own = Entries((*own.without("variables").pairs, (Text("variables", tree.location), both)), tree.location)
        return Entries((*own.pairs, *merged), tree.location)

    def _load_template(self, call: Entries, frame: Frame, allowed: frozenset[str]) -> tuple[Entries, Frame]:
        for key, _ in call.pairs:
            if key.text not in _MAY_HAVE_TEMPLATE:
                raise key.location.error(f"Unexpected value '{key.text}'")
        reference = call.find("template")
        if not isinstance(reference, Text):
            raise call.location.error("Expected the path of a template")
        if frame.depth >= MAX_NESTING:
            raise reference.location.error("Maximum object depth exceeded", "A template includes itself.")
        root = self._file(resolve(reference.text, reference.location), reference.location)
        for key, _ in root.pairs:
            if key.text not in allowed and directive(key) is None:
                raise key.location.error(
                    f"Unexpected value '{key.text}' in a template that {reference.location} includes"
                )
        parameters = declared(root.find("parameters"), in_template=True)
        arguments = self._arguments(call, parameters, frame)
        closed = root.find("parameters") is not None
        values = bind(parameters, arguments, call.location, closed=closed)
        return root.without("parameters"), Frame(values, frame.variables, depth=frame.depth + 1)

    def _arguments(self, call: Entries, parameters: tuple[Parameter, ...], frame: Frame) -> dict[str, Node]:
        given = call.find("parameters")
        if given is None or (isinstance(given, Text) and not given.text):
            return {}
        if not isinstance(given, Entries):
            raise given.location.error("Expected a mapping of parameters")
        kinds = {parameter.name.casefold(): _TYPES_OF_LISTS.get(parameter.type) for parameter in parameters}
        found: dict[str, Node] = {}
        for key, node in given.pairs:
            kind = kinds.get(key.text.casefold())
            # Templates in the caller's steps are relative to the caller, and see its variables.
            found[key.text] = self._included(node, frame, kind) if kind and isinstance(node, Items) else node
        return found

    def _included(self, items: Items, frame: Frame, kind: _Kind) -> Items:
        """Insert the templates in a list that has been expanded."""
        nodes: list[Node] = []
        for item in items.nodes:
            nodes += self._member(item, frame, kind)
        return Items(tuple(nodes), items.location)

    def _member(self, item: Node, frame: Frame, kind: _Kind | None) -> Iterable[Node]:
        if kind is None or not isinstance(item, Entries) or item.find("template") is None:
            return (item,)
        template, inner = self._load_template(item, frame, _ROOT_OF_TEMPLATE | {kind.value})
        expanded = self._entries(template, inner)
        return listed(expanded.find(kind.value))

    # nodes

    def _node(self, node: Node, frame: Frame, kind: _Kind | None = None) -> Node:
        match node:
            case Text():
                return self._text(node, frame)
            case Items():
                return self._items(node, frame, kind)
            case Entries():
                return self._entries(node, frame)

    def _text(self, node: Text, frame: Frame) -> Node:
        expression = self._checked(node.location, lambda: lone_expression(node.text))
        if expression is None:
            return self._interpolated(node, frame)
        if directive(node) is not None:
            raise node.location.error(f"Unexpected value '{node.text}'")
        return untyped(self._value(expression, node.location, frame), node.location)

    def _interpolated(self, node: Text, frame: Frame) -> Text:
        pieces = self._checked(node.location, lambda: parts(node.text))
        if not any(piece.is_expression for piece in pieces):
            return node
        values = (
            self._value(piece.text, node.location, frame) if piece.is_expression else piece.text for piece in pieces
        )
        text = self._checked(node.location, lambda: "".join(to_text(value) for value in values))
        return Text(text, node.location, quoted=True)

    def _items(self, node: Items, frame: Frame, kind: _Kind | None) -> Items:
        found: list[Node] = []
        chain = Chain()
        for item in node.nodes:
            expanded = self._item(item, frame, kind, chain)
            if kind is _Kind.VARIABLE:
                frame = frame.seeing(Items(tuple(expanded), node.location))
            found += expanded
        return Items(tuple(found), node.location)

    def _item(self, item: Node, frame: Frame, kind: _Kind | None, chain: Chain) -> list[Node]:
        if isinstance(item, Text) and lone_expression(item.text) is not None:
            value = self._text(item, frame)
            return self._flattened(value, frame, kind)
        if isinstance(item, Entries) and len(item.pairs) == 1:
            key, body = item.pairs[0]
            found_directive = directive(key)
            if found_directive is not None and not isinstance(found_directive, Insert):
                bodies = self._bodies(found_directive, key, body, frame, chain)
                return [node for inner, scope in bodies for node in self._directive_body(inner, scope, kind)]
            if isinstance(found_directive, Insert):
                chain.end()
        expanded = self._node(item, frame)
        return list(self._member(expanded, frame, kind))

    def _directive_body(self, body: Node, frame: Frame, kind: _Kind | None) -> list[Node]:
        """Expand the body of a directive in a list."""
        if isinstance(body, Items):
            return list(self._items(body, frame, kind).nodes)
        return self._flattened(self._node(body, frame), frame, kind)

    def _flattened(self, expanded: Node, frame: Frame, kind: _Kind | None) -> list[Node]:
        nodes = expanded.nodes if isinstance(expanded, Items) else (expanded,)
        return [inner for node in nodes for inner in self._member(node, frame, kind)]

    def _entries(self, node: Entries, frame: Frame) -> Entries:
        first = node.find("variables")
        known: dict[str, Node] = {}
        if first is not None:
            known["variables"] = self._node(first, frame, _Kind.VARIABLE)
            frame = frame.seeing(known["variables"])
        found = Pairs()
        chain = Chain()
        for key, value in node.pairs:
            found_directive = directive(key)
            if found_directive is not None:
                for body, scope in self._bodies(found_directive, key, value, frame, chain):
                    spliced = self._mapping(body, scope)
                    frame = frame.seeing(spliced.find("variables"))
                    found.splice(spliced)
                continue
            name = self._key(key, frame)
            kind = _LISTS.get(name.text)
            found.add(name, known.get(name.text) or self._node(value, frame, kind))
        return found.entries(node)

    def _mapping(self, body: Node, frame: Frame) -> Entries:
        expanded = self._node(body, frame)
        if not isinstance(expanded, Entries):
            raise expanded.location.error("Expected a mapping")
        return expanded

    def _key(self, key: Text, frame: Frame) -> Text:
        expanded = self._text(key, frame)
        if not isinstance(expanded, Text):
            raise key.location.error("Expected a scalar value")
        return expanded

    # directives

    def _bodies(
        self, found_directive: Directive, key: Text, body: Node, frame: Frame, chain: Chain
    ) -> list[tuple[Node, Frame]]:
        """Return what replaces a directive: bodies, each with its frame."""
        match found_directive:
            case Branch():
                holds = chain.takes(
                    found_directive,
                    key,
                    lambda: to_boolean(self._value(found_directive.condition, key.location, frame)),
                )
                return [(body, frame)] if holds else []
            case Each():
                chain.end()
                return [(body, inner) for inner in self._iterations(found_directive, key.location, frame)]
            case Insert():
                chain.end()
                return [(body, frame)]

    def _iterations(self, each: Each, location: SourceLocation, frame: Frame) -> list[Frame]:
        if each.name.casefold() in frame.contexts().names:
            raise location.error(f"The identifier '{each.name}' has already been defined within the current scope")
        collection = self._value(each.collection, location, frame)
        if isinstance(collection, Mapping):
            members: list[Value] = [CaseInsensitiveDict({"key": key, "value": collection[key]}) for key in collection]
        elif isinstance(collection, list):
            members = collection
        else:
            raise location.error("Expected a sequence or mapping", f"`{each.collection}` is a scalar.")
        return [frame.binding(each.name, member) for member in members]

    def _value(self, expression: str, location: SourceLocation, frame: Frame) -> Value:
        contexts = frame.contexts()
        here = TEMPLATE.with_names(*frame.bound)
        return self._checked(location, lambda: evaluate(expression, here, contexts))

    @staticmethod
    def _checked(location: SourceLocation, work: Callable[[], _Result]) -> _Result:
        try:
            return work()
        except ExpressionError as error:
            raise location.error(error.message) from error
