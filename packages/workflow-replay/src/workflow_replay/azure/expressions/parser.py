"""Parses an expression, and rejects names that are not available. No I/O.

The rules are those of the service: no operators and no grouping, arguments are counted while parsing, unknown names are
reported only if the rest is valid, and calls may be nested 50 deep, where members do not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from workflow_replay.azure.expressions.errors import InvalidExpression
from workflow_replay.azure.expressions.lexer import Kind, Token, tokens
from workflow_replay.azure.expressions.syntax import Availability, Call, Every, Expression, Literal, Member, Name

MAX_DEPTH = 50
_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def parse(text: str, available: Availability) -> Expression:
    """Return the syntax tree of an expression. Raises InvalidExpression with the position."""
    trimmed = text.strip()
    if not trimmed:
        raise InvalidExpression("An expression was expected")
    parser = _Parser(trimmed, available)
    tree = parser.operand(1)
    parser.finish()
    return tree


class _Parser:
    def __init__(self, text: str, available: Availability) -> None:
        self._text = text
        self._available = available
        self._tokens: Sequence[Token] = tokens(text)
        self._at = 0
        self._unknown: Token | None = None

    def operand(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise InvalidExpression(f"Exceeded max expression depth {MAX_DEPTH}")
        token = self._take()
        if token.kind is Kind.LITERAL:
            return self._members(Literal(token.value), depth)
        if token.kind is Kind.NAME:
            return self._members(self._named(token, depth), depth)
        raise self._unexpected(token)

    def finish(self) -> None:
        if self._peek().kind is not Kind.END:
            raise self._unexpected(self._peek())
        if self._unknown:
            raise self._invalid(f"Unrecognized value: '{self._unknown.text}'", self._unknown)

    def _named(self, token: Token, depth: int) -> Expression:
        name = token.text.casefold()
        if self._peek().text == "(" and self._peek().kind is Kind.PUNCTUATION:
            return self._call(token, name, depth)
        if name in self._available.names:
            return Name(name)
        if name in self._available.functions:
            raise self._invalid(f"Expected '(' to follow a function: '{token.text}'", token)
        self._unknown = self._unknown or token
        return Name(name)

    def _call(self, token: Token, name: str, depth: int) -> Call:
        if name not in self._available.functions:
            self._unknown = self._unknown or token
        minimum, maximum = self._available.functions.get(name, (0, len(self._text)))
        self._take()
        arguments: list[Expression] = []
        if self._peek().text != ")":
            arguments.append(self.operand(depth + 1))
            while self._peek().text == "," and self._peek().kind is Kind.PUNCTUATION:
                comma = self._take()
                if len(arguments) >= maximum:
                    raise self._unexpected(comma)
                arguments.append(self._argument(token, depth))
        closing = self._take()
        if closing.kind is Kind.END:
            raise self._invalid(f"Unclosed function: '{token.text}'", token)
        if closing.text != ")" or not minimum <= len(arguments) <= maximum:
            raise self._unexpected(closing)
        return Call(name, tuple(arguments))

    def _argument(self, function: Token, depth: int) -> Expression:
        if self._peek().kind is Kind.END:
            raise self._invalid(f"Unclosed function: '{function.text}'", function)
        return self.operand(depth + 1)

    def _members(self, target: Expression, depth: int) -> Expression:
        while self._peek().kind is Kind.PUNCTUATION and self._peek().text in (".", "["):
            opening = self._take()
            target = self._property(target, opening) if opening.text == "." else self._index(target, depth)
        return target

    def _property(self, target: Expression, stop: Token) -> Expression:
        token = self._take()
        if token.kind is Kind.WILDCARD:
            return Every(target)
        if token.kind is Kind.END:
            raise self._invalid("Expected a property name to follow the dereference operator '.': '.'", stop)
        if not _PROPERTY.match(token.text):
            raise self._unexpected(token)
        return Member(target, Literal(token.text))

    def _index(self, target: Expression, depth: int) -> Expression:
        if self._peek().kind is Kind.WILDCARD:
            self._take()
            found: Expression = Every(target)
        else:
            found = Member(target, self.operand(depth))
        closing = self._take()
        if closing.text != "]":
            raise self._unexpected(closing)
        return found

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _unexpected(self, token: Token) -> InvalidExpression:
        return self._invalid(f"Unexpected symbol: '{token.text}'", token)

    def _invalid(self, sentence: str, token: Token) -> InvalidExpression:
        return InvalidExpression(sentence, self._text, token.position)
