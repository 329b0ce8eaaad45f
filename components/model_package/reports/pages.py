"""Self-contained HTML pages from jinja2 templates. A step's own template extends page.html.j2, which lies here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

# From here on fractions say nothing, and below here three decimals do not.
_PLAIN_FROM = 1_000
_SMALL_BELOW = 0.001
_TWO_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: figures under a heading, with an explanation or ""."""

    title: str
    text: str
    figures: tuple[str, ...]


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
    """Return an environment for the HTML templates of some folders: it escapes, and refuses undefined names."""
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(file: Path, template: Path, context: Mapping[str, object]) -> None:
    """Render a template into a file. Raises jinja2.UndefinedError for a name that `context` lacks."""
    environment = page_environment(template.parent, Path(__file__).parent)
    environment.filters |= {"percent": _percent, "thousands": _thousands, "metric": written_number}
    file.write_text(environment.get_template(template.name).render(context), encoding="utf-8")
