"""Self-contained HTML pages from jinja2 templates. Every report's template extends page.html.j2, which lies here.

A page says at its top what it is about: facts that are added where the page is kept, because a step does not know which
version its model will be.
"""

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape

# From here on fractions say nothing, and below here three decimals do not.
_PLAIN_FROM = 1_000
_SMALL_BELOW = 0.001
_TWO_DIGITS = 10
FACTS = "<!-- facts -->"
# The facts of a step stand before the place of those that are added where the page is kept, and give way to them.
_OF_STEP = re.compile(rf'(?:<dl class="facts">(?:(?!</dl>).)*</dl>)?{FACTS}', re.DOTALL)
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_HEAD_CHARACTERS = 2_000
_TABLE = re.compile(r"<table(?! data-cards)([^>]*)>(.*?)</table>", re.DOTALL)
_ROW = re.compile(r"<tr[^>]*>.*?</tr>", re.DOTALL)
_COLUMN = re.compile(r"<th[^>]*>(.*?)</th>", re.DOTALL)
_CELL = re.compile(r"<td([^>]*)>(.*?)</td>", re.DOTALL)
_NOTHING = frozenset({"", "-", "\N{EN DASH}"})
# Fewer columns fit on any phone.
_LEAST_COLUMNS = 3
_HASH_CHARACTERS = 40
_ADDRESSES = ("https://", "http://")
_INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: figures under a heading, with an explanation or ""."""

    title: str
    text: str
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """What a report is about, such as its model; `link` is an address, or the file name of another report."""

    name: str
    value: str
    link: str = ""


def written_number(value: float) -> str:
    """Write a number of any size for people: 0.123, 12.3, 12,345; a dash for one that is not finite."""
    if not math.isfinite(value):
        return "-"
    size = abs(value)
    if size >= _PLAIN_FROM:
        return f"{value:,.0f}"
    if 0 < size < _SMALL_BELOW:
        return f"{value:.2g}"
    return f"{value:.3f}" if size < _TWO_DIGITS else f"{value:.1f}"


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f}\u00a0%"


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def page_environment(*folders: Path) -> Environment:
    """Return an environment for the HTML templates of some folders, and for the frame that lies here.

    It escapes, and refuses undefined names.
    """
    return Environment(
        loader=FileSystemLoader((*folders, Path(__file__).parent)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(file: Path, template: Path, context: Mapping[str, object], facts: Sequence[Fact] = ()) -> None:
    """Render a template into a file, with what a step knows of its `facts`.

    Raises jinja2.UndefinedError for a name that `context` lacks.
    """
    environment = page_environment(template.parent)
    environment.filters |= {"percent": _percent, "thousands": _thousands, "metric": written_number}
    text = environment.get_template(template.name).render(context)
    file.write_text(with_cards(text.replace(FACTS, f"{_list(facts)}{FACTS}", 1)), encoding="utf-8")


def frame_style() -> str:
    """Return the style sheet of all reports, for a page with a frame of its own."""
    return (Path(__file__).parent / "frame.css").read_text(encoding="utf-8")


def keep_page(file: Path, text: str, facts: Sequence[Fact], *, listed: bool = True) -> Path:
    """Write a page with its facts; `listed` among the other reports of its folder, in their index.html."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # A report that is not here cannot be opened from here, and this one is open.
    shown = [
        fact
        for fact in facts
        if not _is_page(fact.link) or (listed and fact.link != file.name and (file.parent / fact.link).is_file())
    ]
    index = [Fact("more", "all reports", _INDEX)] if listed else []
    file.write_text(with_cards(with_facts(_with_title(text, facts), [*shown, *index])), encoding="utf-8")
    if listed:
        _write_index(file.parent)
    return file


def with_facts(text: str, facts: Sequence[Fact]) -> str:
    """Return a page of this module's frame with facts at its top; a page of another frame stays as it is."""
    shown = _list(facts)
    return _OF_STEP.sub(lambda _: shown, text, count=1) if shown else text


def with_cards(text: str) -> str:
    """Return a page whose cells know their column, so that a phone shows each row of a table as a card."""
    return _TABLE.sub(_as_cards, text)


def _as_cards(table: re.Match[str]) -> str:
    attributes, body = table.groups()
    names = [html.escape(re.sub("<[^>]*>", "", name)).replace("&amp;", "&") for name in _COLUMN.findall(body)]
    rows = _ROW.findall(body)
    if len(names) < _LEAST_COLUMNS or "<th" not in rows[0]:
        return table[0]

    def labelled(row: re.Match[str]) -> str:
        columns = iter(names)

        def cell(found: re.Match[str]) -> str:
            empty = " data-empty" if found[2].strip() in _NOTHING else ""
            return f'<td{found[1]} data-label="{next(columns, "")}"{empty}>{found[2]}</td>'

        return _CELL.sub(cell, row[0])

    return f"<table data-cards{attributes}>{_ROW.sub(labelled, body)}</table>"


def _with_title(text: str, facts: Sequence[Fact]) -> str:
    """The page with its model in its title, by which browsers and the list of all reports name it."""
    model = next((escape(fact.value) for fact in facts if fact.name == "model"), "")
    return _TITLE.sub(lambda found: found[0] if model in found[1] else f"<title>{found[1]}: {model}</title>", text, 1)


def _list(facts: Sequence[Fact]) -> str:
    shown = "".join(f"<div><dt>{escape(fact.name)}</dt><dd>{_value(fact)}</dd></div>" for fact in facts if fact.value)
    return f'<dl class="facts">{shown}</dl>' if shown else ""


def _value(fact: Fact) -> str:
    # A name from data is never an address that runs something.
    is_safe = fact.link.startswith(_ADDRESSES) or _is_page(fact.link)
    value = str(escape(fact.value))
    if len(fact.value) >= _HASH_CHARACTERS and " " not in fact.value:
        # Shown in part, and selected as a whole.
        value = f'<span class="hash" title="{value}">{value}</span>'
    return f'<a href="{escape(fact.link)}">{value}</a>' if is_safe else value


def _is_page(link: str) -> bool:
    return link.endswith(".html") and ":" not in link


def _write_index(folder: Path) -> None:
    pages = [each for each in folder.glob("*.html") if each.name != _INDEX]
    newest = sorted(pages, key=lambda each: (-each.stat().st_mtime, each.name))
    entries = [(each.name, _title(each), f"{_time(each):%Y-%m-%d %H:%M} UTC") for each in newest]
    text = page_environment().get_template("index.html.j2").render(entries=entries)
    (folder / _INDEX).write_text(text, encoding="utf-8")


def _title(page: Path) -> str:
    with page.open(encoding="utf-8") as stream:
        found = _TITLE.search(stream.read(_HEAD_CHARACTERS))
    return html.unescape(" ".join(found[1].split())) if found else page.name


def _time(page: Path) -> datetime:
    return datetime.fromtimestamp(page.stat().st_mtime, UTC)
