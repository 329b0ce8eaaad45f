"""Self-contained HTML pages from jinja2 templates. A step's own template extends page.html.j2, which lies here."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


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
    environment.filters |= {"percent": _percent, "thousands": _thousands}
    file.write_text(environment.get_template(template.name).render(context), encoding="utf-8")
