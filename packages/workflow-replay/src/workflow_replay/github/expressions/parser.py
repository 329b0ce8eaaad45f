"""Parses an expression by GitHub's grammar; the caller says which contexts and functions are available."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, get_args

from workflow_replay.github.expressions.errors import ExpressionError
from workflow_replay.github.expressions.functions import ARGUMENTS
from workflow_replay.github.expressions.lexer import Token, tokens
from workflow_replay.github.expressions.syntax import Call, Compare, Comparison, Constant, Context, Index, Junction, Not
from workflow_replay.github.expressions.syntax import Node as Node

MAXIMUM_DEPTH: Final = 50
_EQUALITY: Final = ("==", "!=")
_ORDER: Final = (">", ">=", "<", "<=")
_COMPARISONS: Final = {text: text for text in get_args(Comparison)}


@lru_cache(maxsize=4096)
def parse(expression: str, contexts: frozenset[str], functions: frozenset[str]) -> Node:
    """Parse an expression that may use these contexts and, besides the general ones, these functions (lower case).

    Raises ExpressionError.
    """
    return _Parser(tokens(expression), contexts, functions).whole()


class _Parser:
    def __init__(self, found: list[Token], contexts: Collection[str], functions: Collection[str]) -> None:
        self._tokens = found
        self._contexts = contexts
        self._functions = functions
        self._position = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._expression()
        if self._now.kind != "end":
            raise self._unexpected()
        return node

    def _expression(self) -> Node:
        with self._deeper():
            return self._junction("||", lambda: self._junction("&&", self._equality))

    def _junction(self, operator: str, part: Callable[[], Node]) -> Node:
        first = part()
        if not self._is(operator):
            return first
        parts = [first]
        with self._deeper():
            while self._take(operator):
                parts.append(part())
        return Junction("&&" if operator == "&&" else "||", tuple(parts))

    def _equality(self) -> Node:
        return self._chain(_EQUALITY, lambda: self._chain(_ORDER, self._unary))

    def _chain(self, operators: tuple[str, ...], part: Callable[[], Node]) -> Node:
        node = part()
        while self._now.kind == "symbol" and self._now.text in operators:
            operator = _COMPARISONS[self._advance().text]
            node = Compare(node, operator, part())
        return node

    def _unary(self) -> Node:
        if self._take("!"):
            with self._deeper():
                return Not(self._unary())
        return self._indexed()

    def _indexed(self) -> Node:
        start = self._now
        node = self._primary()
        if start.kind == "literal":
            return node
        depth = self._depth
        while self._is("[") or self._is("."):
            self._depth += 1
            self._check_depth()
            node = Index(node, self._bracketed() if self._take("[") else self._dotted())
        self._depth = depth
        return node

    def _bracketed(self) -> Node | None:
        key = None if self._take("*") else self._expression()
        self._need("]")
        return key

    def _dotted(self) -> Node | None:
        self._need(".")
        if self._take("*"):
            return None
        if self._now.kind != "identifier":
            raise self._unexpected()
        return Constant(self._advance().text)

    def _primary(self) -> Node:
        token = self._now
        match token.kind:
            case "literal":
                return Constant(self._advance().value)
            case "identifier":
                return self._named(self._advance())
        if self._take("("):
            node = self._expression()
            self._need(")")
            return node
        raise self._unexpected()

    def _named(self, name: Token) -> Node:
        if self._take("("):
            return self._call(name)
        if name.text.lower() not in self._contexts:
            known = ", ".join(sorted(self._contexts)) or "none"
            raise ExpressionError(f"unrecognized named-value {name.text!r} here; available: {known}")
        return Context(name.text.lower())

    def _call(self, name: Token) -> Node:
        arguments: list[Node] = []
        if not self._take(")"):
            arguments.append(self._expression())
            while self._take(","):
                arguments.append(self._expression())
            self._need(")")
        key = name.text.lower()
        limits = ARGUMENTS.get(key)
        if limits is None or not (limits.everywhere or key in self._functions):
            raise ExpressionError(f"unrecognized function {name.text!r} here")
        limits.check(name.text, len(arguments))
        return Call(key, tuple(arguments))

    @property
    def _now(self) -> Token:
        return self._tokens[self._position]

    def _is(self, symbol: str) -> bool:
        return self._now.kind == "symbol" and self._now.text == symbol

    def _advance(self) -> Token:
        token = self._now
        self._position += 1
        return token

    def _take(self, symbol: str) -> bool:
        if not self._is(symbol):
            return False
        self._position += 1
        return True

    def _need(self, symbol: str) -> None:
        if not self._take(symbol):
            raise self._unexpected()

    def _unexpected(self) -> ExpressionError:
        token = self._now
        if token.kind == "end":
            return ExpressionError("unexpected end of the expression")
        return ExpressionError(f"unexpected symbol {token.text!r} at position {token.position + 1}")

    @contextmanager
    def _deeper(self) -> Generator[None]:
        self._depth += 1
        self._check_depth()
        yield
        self._depth -= 1

    def _check_depth(self) -> None:
        if self._depth > MAXIMUM_DEPTH:
            raise ExpressionError(f"the expression is nested deeper than {MAXIMUM_DEPTH}")
