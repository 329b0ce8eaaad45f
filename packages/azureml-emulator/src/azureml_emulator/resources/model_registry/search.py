"""MLflow's searches: filters such as `name LIKE 'a%' AND tags.k = 'v'`, orders and pages. Pure: no I/O.

An entity is searched in MLflow's own format, as `documents.py` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from azureml_emulator.kernel.errors import BadRequest

Document = dict[str, Any]
Condition = Callable[[Document], bool]
# The attributes that a filter or an order may name, with the fields that they stand for.
MODEL_FIELDS = {
    "name": "name",
    "creation_timestamp": "creation_timestamp",
    "timestamp": "last_updated_timestamp",
    "last_updated_timestamp": "last_updated_timestamp",
}
VERSION_FIELDS = {
    **MODEL_FIELDS,
    "version": "version",
    "version_number": "version",
    "run_id": "run_id",
    "source": "source",
    "source_path": "source",
}
_PROMPT_TAG = "mlflow.prompt.is_prompt"
_NUMBERS = frozenset({"version", "creation_timestamp", "last_updated_timestamp"})
_CLAUSE = re.compile(
    r"""\s*(?:attributes?\.)?(?P<key>tags?\.(?:`[^`]+`|"[^"]+"|[\w.\-/]+)|[\w.]+)
    \s*(?P<operator>!=|>=|<=|=|>|<|\bNOT\s+IN\b|\bIN\b|\bI?LIKE\b)
    \s*(?P<value>'[^']*'|"[^"]*"|-?\d+|\([^)]*\))\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_AND = re.compile(r"AND\s", re.IGNORECASE)
_ORDER = re.compile(r"^`?(?P<key>\w+)`?(?:\s+(?P<direction>ASC|DESC))?$", re.IGNORECASE)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda found, wanted: found == wanted,
    "!=": lambda found, wanted: found != wanted,
    ">": lambda found, wanted: found > wanted,
    ">=": lambda found, wanted: found >= wanted,
    "<": lambda found, wanted: found < wanted,
    "<=": lambda found, wanted: found <= wanted,
    "IN": lambda found, wanted: found in wanted,
    "NOT IN": lambda found, wanted: found not in wanted,
    "LIKE": lambda found, wanted: re.fullmatch(_like(wanted), found) is not None,
    "ILIKE": lambda found, wanted: re.fullmatch(_like(wanted), found, re.IGNORECASE) is not None,
}


def matching(documents: Sequence[Document], text: str, fields: Mapping[str, str]) -> list[Document]:
    """The documents that meet a filter; an empty one is met by all. Raises BadRequest for one that is not valid."""
    conditions = _conditions(text, fields)
    return [document for document in documents if all(condition(document) for condition in conditions)]


def ordered(documents: Sequence[Document], orders: Sequence[str], fields: Mapping[str, str]) -> list[Document]:
    """The documents in the order of `orders`, the first of which counts most. Raises BadRequest."""
    found = list(documents)
    for order in reversed(orders):
        match = _ORDER.match(order.strip())
        if match is None or match["key"] not in fields:
            raise BadRequest(f"Invalid order_by clause '{order}'. Valid keys are: {', '.join(sorted(fields))}.")
        field = fields[match["key"]]
        found.sort(key=lambda each: _comparable(field, each.get(field)), reverse=(match[2] or "").upper() == "DESC")
    return found


def page(documents: Sequence[Document], limit: int, token: str) -> tuple[list[Document], str]:
    """At most `limit` documents, and the token of the page that follows; empty when there is none."""
    if token and not token.isdigit():
        raise BadRequest(f"Invalid page token '{token}'.")
    start = int(token or 0)
    after = start + limit
    return list(documents[start:after]), str(after) if after < len(documents) else ""


def _conditions(text: str, fields: Mapping[str, str]) -> list[Condition]:
    conditions, rest = [], text.strip()
    while rest:
        match = _CLAUSE.match(rest)
        if match is None:
            raise BadRequest(f"Invalid filter '{text}': it cannot be read from '{rest}' on.")
        conditions.append(_condition(match, fields))
        rest = rest[match.end() :]
        following = _AND.match(rest)
        if rest and following is None:
            raise BadRequest(f"Invalid filter '{text}': only AND can join its clauses, not '{rest}'.")
        rest = rest[following.end() :] if following else ""
    return conditions


def _condition(match: re.Match[str], fields: Mapping[str, str]) -> Condition:
    operator = " ".join(match["operator"].upper().split())
    compare, wanted = _COMPARISONS[operator], _value(match["value"])
    tag = re.match(r"tags?\.(.+)$", match["key"], re.IGNORECASE)
    if tag is not None:
        return _tag_condition(tag[1].strip('`"'), compare, wanted)
    field = fields.get(match["key"].lower())
    if field is None:
        valid = ", ".join(sorted(fields))
        raise BadRequest(f"Invalid attribute key '{match['key']}' in a filter. Valid keys are: {valid}, and tags.")
    is_list = operator in {"IN", "NOT IN"}
    if is_list != isinstance(wanted, list):
        raise BadRequest(f"The value {match['value']} does not fit the operator {operator}.")
    if field in _NUMBERS:
        wanted = [_comparable(field, each) for each in wanted] if is_list else _comparable(field, wanted)
        return lambda document: compare(_comparable(field, document.get(field)), wanted)
    return lambda document: compare(document.get(field) or "", wanted)


def _tag_condition(name: str, compare: Callable[[Any, Any], bool], wanted: Any) -> Condition:
    def met(document: Document) -> bool:
        tags = {tag["key"]: tag["value"] for tag in document["tags"]}
        # Clients exclude prompts, which are no models, in this way.
        return compare(tags[name], wanted) if name in tags else name == _PROMPT_TAG and compare("", wanted)

    return met


def _value(text: str) -> str | list[str]:
    if text.startswith("("):
        return [part.strip().strip("'\"") for part in text[1:-1].split(",") if part.strip()]
    return text[1:-1] if text[0] in "'\"" else text


def _comparable(field: str, value: Any) -> tuple[int, str] | str:
    """A value that sorts and compares: numbers by size, and versions that are not numbers before them."""
    text = str(value or "")
    if field not in _NUMBERS:
        return text
    return (int(text), "") if text.isdigit() else (-1, text)


def _like(pattern: str) -> str:
    return "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in pattern)
