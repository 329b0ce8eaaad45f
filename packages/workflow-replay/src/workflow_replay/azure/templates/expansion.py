"""A pipeline file and its templates as one tree without `${{ }}`: directives carried out, templates put in place.

What the tree means is left to the readers of pipelines. Order matters as in the service: a mapping's `variables` come
first, so that the rest of it (and nothing outside of it) can read them; each file sees its own parameters only. Of two
members of an if-chain only the first whose condition holds is read at all, and an ordinary neighbour does not end a
chain, while `each` and `insert` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TypeVar

from workflow_replay.azure.expressions import ExpressionError, Folded, Value, evaluate, to_boolean, to_text
from workflow_replay.azure.expressions.syntax import TEMPLATE
from workflow_replay.azure.templates.chains import Chain, Pairs
from workflow_replay.azure.templates.directives import Branch, Directive, Each, Insert, directive
from workflow_replay.azure.templates.frames import Frame, listed
from workflow_replay.azure.templates.parameters import Parameter, bind, declared, queued
from workflow_replay.azure.templates.references import resolve
from workflow_replay.azure.templates.scalars import lone_expression, parts
from workflow_replay.azure.templates.tree import Entries, Items, Node, Place, Text, read, untyped

MOST_FILES = 100
DEEPEST_NESTING = 100

_Result = TypeVar("_Result")

Source = Callable[[str], str | None]
"""Gives a file's text by its path from the repository's top, None when there is no such file."""


class _Kind(Enum):
    """What the members of a list are; where templates may stand."""

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
_START = frozenset({"pr", "resources", "schedules", "trigger"})
_MAY_HAVE_TEMPLATE = frozenset({"template", "parameters"})
_ROOT_OF_TEMPLATE = frozenset({"parameters", "resources"})
_ROOT_OF_EXTENDED = _ROOT_OF_TEMPLATE | {"stages", "jobs", "steps", "variables", "extends", "pool", "name"}


def expand(source: Source, file: str, variables: Mapping[str, str], arguments: Mapping[str, str]) -> Entries:
    """Return the tree of a pipeline file.

    `variables` are the predefined ones that are known before anything runs, `arguments` the values that somebody
    gave for the file's parameters. Raises WorkflowError with file and line.
    """
    return _Expander(source).pipeline(file, variables, arguments)


def expand_start(source: Source, file: str) -> Entries:
    """Return what says when a pipeline starts, in a file whose parameters have no values: no expression stands there.

    Raises WorkflowError with file and line.
    """
    return _Expander(source).start(file)


class _Expander:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = 0

    def pipeline(self, file: str, variables: Mapping[str, str], arguments: Mapping[str, str]) -> Entries:
        root = self._file(file, Place(file, 1))
        parameters = declared(root.find("parameters"), in_template=False)
        values = bind(parameters, queued(parameters, arguments, root.place), root.place, closed=True)
        tree = self._entries(root.without("parameters"), Frame(values, dict(variables)))
        return self._extended(tree, dict(variables))

    def start(self, file: str) -> Entries:
        root = self._file(file, Place(file, 1))
        pairs = tuple(pair for pair in root.pairs if pair[0].text in _START)
        return self._entries(Entries(pairs, root.place), Frame(None, {}))

    # files

    def _file(self, path: str, place: Place) -> Entries:
        self._files += 1
        if self._files > MOST_FILES:
            raise place.wrong(f"No more than {MOST_FILES} separate YAML files may be included")
        text = self._source(path)
        if text is None:
            raise place.wrong(f"File /{path} not found in the repository", "Paths are case-sensitive.")
        root = read(text, path)
        if not isinstance(root, Entries):
            raise root.place.wrong("Expected a mapping")
        return root

    def _extended(self, tree: Entries, variables: Mapping[str, Value]) -> Entries:
        extends = tree.find("extends")
        if extends is None:
            return tree
        if not isinstance(extends, Entries):
            raise extends.place.wrong("Expected a mapping with `template`")
        for key in ("stages", "jobs", "steps"):
            if tree.find(key) is not None:
                raise tree.place_of(key).wrong(
                    f"Unexpected value '{key}': a pipeline that extends has no {key} of its own"
                )
        frame = Frame(None, variables).seeing(tree.find("variables"))
        template, inner = self._called(extends, frame, _ROOT_OF_EXTENDED)
        expanded = self._extended(self._entries(template, inner), inner.variables)
        own = tree.without("extends")
        merged = [pair for pair in expanded.pairs if own.find(pair[0].text) is None]
        shared = own.find("variables"), expanded.find("variables")
        if all(shared):
            both = Items((*listed(shared[1]), *listed(shared[0])), tree.place)
            own = Entries((*own.without("variables").pairs, (Text("variables", tree.place), both)), tree.place)
        return Entries((*own.pairs, *merged), tree.place)

    def _called(self, call: Entries, frame: Frame, allowed: frozenset[str]) -> tuple[Entries, Frame]:
        for key, _ in call.pairs:
            if key.text not in _MAY_HAVE_TEMPLATE:
                raise key.place.wrong(f"Unexpected value '{key.text}'")
        reference = call.find("template")
        if not isinstance(reference, Text):
            raise call.place.wrong("Expected the path of a template")
        if frame.depth >= DEEPEST_NESTING:
            raise reference.place.wrong("Maximum object depth exceeded", "A template includes itself.")
        root = self._file(resolve(reference.text, reference.place), reference.place)
        for key, _ in root.pairs:
            if key.text not in allowed and directive(key) is None:
                raise key.place.wrong(f"Unexpected value '{key.text}' in a template that {reference.place} includes")
        parameters = declared(root.find("parameters"), in_template=True)
        arguments = self._arguments(call, parameters, frame)
        closed = root.find("parameters") is not None
        values = bind(parameters, arguments, call.place, closed=closed)
        return root.without("parameters"), Frame(values, frame.variables, depth=frame.depth + 1)

    def _arguments(self, call: Entries, parameters: tuple[Parameter, ...], frame: Frame) -> dict[str, Node]:
        given = call.find("parameters")
        if given is None or (isinstance(given, Text) and not given.text):
            return {}
        if not isinstance(given, Entries):
            raise given.place.wrong("Expected a mapping of parameters")
        kinds = {parameter.name.casefold(): _TYPES_OF_LISTS.get(parameter.type) for parameter in parameters}
        found: dict[str, Node] = {}
        for key, node in given.pairs:
            kind = kinds.get(key.text.casefold())
            # The caller's steps are the caller's: their templates lie beside the caller and see its variables.
            found[key.text] = self._included(node, frame, kind) if kind and isinstance(node, Items) else node
        return found

    def _included(self, items: Items, frame: Frame, kind: _Kind) -> Items:
        """Put templates in place in a list that is expanded already."""
        nodes: list[Node] = []
        for item in items.nodes:
            nodes += self._member(item, frame, kind)
        return Items(tuple(nodes), items.place)

    def _member(self, item: Node, frame: Frame, kind: _Kind | None) -> Iterable[Node]:
        if kind is None or not isinstance(item, Entries) or item.find("template") is None:
            return (item,)
        template, inner = self._called(item, frame, _ROOT_OF_TEMPLATE | {kind.value})
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
        expression = self._checked(node.place, lambda: lone_expression(node.text))
        if expression is None:
            return self._mixed(node, frame)
        if directive(node) is not None:
            raise node.place.wrong(f"Unexpected value '{node.text}'")
        return untyped(self._value(expression, node.place, frame), node.place)

    def _mixed(self, node: Text, frame: Frame) -> Text:
        pieces = self._checked(node.place, lambda: parts(node.text))
        if not any(piece.is_expression for piece in pieces):
            return node
        values = (self._value(piece.text, node.place, frame) if piece.is_expression else piece.text for piece in pieces)
        text = self._checked(node.place, lambda: "".join(to_text(value) for value in values))
        return Text(text, node.place, quoted=True)

    def _items(self, node: Items, frame: Frame, kind: _Kind | None) -> Items:
        found: list[Node] = []
        chain = Chain()
        for item in node.nodes:
            expanded = self._item(item, frame, kind, chain)
            if kind is _Kind.VARIABLE:
                frame = frame.seeing(Items(tuple(expanded), node.place))
            found += expanded
        return Items(tuple(found), node.place)

    def _item(self, item: Node, frame: Frame, kind: _Kind | None, chain: Chain) -> list[Node]:
        if isinstance(item, Text) and lone_expression(item.text) is not None:
            value = self._text(item, frame)
            return self._spliced(value, frame, kind)
        if isinstance(item, Entries) and len(item.pairs) == 1:
            key, body = item.pairs[0]
            shaping = directive(key)
            if shaping is not None and not isinstance(shaping, Insert):
                bodies = self._bodies(shaping, key, body, frame, chain)
                return [node for inner, scope in bodies for node in self._placed(inner, scope, kind)]
            if isinstance(shaping, Insert):
                chain.end()
        expanded = self._node(item, frame)
        return list(self._member(expanded, frame, kind))

    def _placed(self, body: Node, frame: Frame, kind: _Kind | None) -> list[Node]:
        """Expand the body of a directive that stands in a list."""
        if isinstance(body, Items):
            return list(self._items(body, frame, kind).nodes)
        return self._spliced(self._node(body, frame), frame, kind)

    def _spliced(self, expanded: Node, frame: Frame, kind: _Kind | None) -> list[Node]:
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
            shaping = directive(key)
            if shaping is not None:
                for body, scope in self._bodies(shaping, key, value, frame, chain):
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
            raise expanded.place.wrong("Expected a mapping")
        return expanded

    def _key(self, key: Text, frame: Frame) -> Text:
        expanded = self._text(key, frame)
        if not isinstance(expanded, Text):
            raise key.place.wrong("Expected a scalar value")
        return expanded

    # directives

    def _bodies(
        self, shaping: Directive, key: Text, body: Node, frame: Frame, chain: Chain
    ) -> list[tuple[Node, Frame]]:
        """Return what a directive puts in its place: bodies, and what each of them sees."""
        match shaping:
            case Branch():
                holds = chain.takes(shaping, key, lambda: to_boolean(self._value(shaping.condition, key.place, frame)))
                return [(body, frame)] if holds else []
            case Each():
                chain.end()
                return [(body, inner) for inner in self._rounds(shaping, key.place, frame)]
            case Insert():
                chain.end()
                return [(body, frame)]

    def _rounds(self, each: Each, place: Place, frame: Frame) -> list[Frame]:
        if each.name.casefold() in frame.contexts().names:
            raise place.wrong(f"The identifier '{each.name}' has already been defined within the current scope")
        collection = self._value(each.collection, place, frame)
        if isinstance(collection, Mapping):
            members: list[Value] = [Folded({"key": key, "value": collection[key]}) for key in collection]
        elif isinstance(collection, list):
            members = collection
        else:
            raise place.wrong("Expected a sequence or mapping", f"`{each.collection}` is a single value.")
        return [frame.binding(each.name, member) for member in members]

    def _value(self, expression: str, place: Place, frame: Frame) -> Value:
        contexts = frame.contexts()
        here = TEMPLATE.with_names(*frame.bound)
        return self._checked(place, lambda: evaluate(expression, here, contexts))

    @staticmethod
    def _checked(place: Place, work: Callable[[], _Result]) -> _Result:
        try:
            return work()
        except ExpressionError as error:
            raise place.wrong(error.message) from error
