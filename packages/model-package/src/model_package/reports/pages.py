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
_FACTS = "<!-- facts -->"
# The facts of a step stand before the place of those that are added where the page is kept, and give way to them.
_OF_STEP = re.compile(rf'(?:<dl class="facts">(?:(?!</dl>).)*</dl>)?{_FACTS}', re.DOTALL)
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_HEAD_CHARACTERS = 2_000
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
    file.write_text(text.replace(_FACTS, f"{_list(facts)}{_FACTS}", 1), encoding="utf-8")


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
    file.write_text(with_facts(text, [*shown, *index]), encoding="utf-8")
    if listed:
        _write_index(file.parent)
    return file


def with_facts(text: str, facts: Sequence[Fact]) -> str:
    """Return a page of this module's frame with facts at its top; a page of another frame stays as it is."""
    shown = _list(facts)
    return _OF_STEP.sub(lambda _: shown, text, count=1) if shown else text


def _list(facts: Sequence[Fact]) -> str:
    shown = "".join(f"<div><dt>{escape(fact.name)}</dt><dd>{_value(fact)}</dd></div>" for fact in facts if fact.value)
    return f'<dl class="facts">{shown}</dl>' if shown else ""


def _value(fact: Fact) -> str:
    # A name from data is never an address that runs something.
    is_safe = fact.link.startswith(_ADDRESSES) or _is_page(fact.link)
    return f'<a href="{escape(fact.link)}">{escape(fact.value)}</a>' if is_safe else str(escape(fact.value))


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
