"""The page as one self-contained HTML document: it loads nothing from elsewhere, and its policy forbids it.

Text from logs, tags and commits is shown as text: stripped of invisible characters, then escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment

from mlops.core.markdown import clean
from mlops.dashboard.charts import Charts
from mlops.dashboard.contents import contents, state_of
from mlops.dashboard.snapshot import Snapshot
from model_package.reports.pages import frame_style, page_environment

_FOLDER: Final = Path(__file__).parent
_TEMPLATE: Final = "page.html.j2"
_SCRIPT: Final = "page.js"
_STYLE: Final = "page.css"
# The placeholder for the version until it is known, and for the time while the version is computed.
_NO_VERSION: Final = "unversioned"
_NO_TIME: Final = "1970-01-01"
_VERSION_CHARACTERS: Final = 16
_NOTHING: Final = "-"


@dataclass(frozen=True)
class Page:
    """A rendered page and its content security policy; `version` changes with anything but the snapshot's time."""

    html: str
    version: str
    policy: str
    taken: datetime


def render(snapshot: Snapshot, *, served: bool) -> Page:
    """The page; if `served`, it polls its own server for a newer one."""
    charts = Charts()
    shown = contents(snapshot, charts)
    script, style = _text(_SCRIPT), f"{frame_style()}\n{_text(_STYLE)}\n{charts.style_sheet}\n"
    policy = _policy(script, style, served=served)
    template = _environment().get_template(_TEMPLATE)
    html = template.render(**shown, script=script, style=style, policy=policy, served=served, version=_NO_VERSION)
    timeless = html.replace(snapshot.taken.isoformat(timespec="seconds"), _NO_TIME)
    timeless = timeless.replace(_second(snapshot.taken), _NO_TIME)
    version = hashlib.sha256(timeless.encode()).hexdigest()[:_VERSION_CHARACTERS]
    return Page(html.replace(_NO_VERSION, version, 1), version, policy, snapshot.taken)


def _policy(script: str, style: str, *, served: bool) -> str:
    """Allow only the page's own scripts and styles; if served, also requests to its own server."""
    rules = {
        "default-src": "'none'",
        "script-src": _source(script),
        "style-src": _source(style),
        "connect-src": "'self'" if served else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = page_environment(_FOLDER)
    environment.filters |= {
        "clean": clean,
        "minute": lambda time: time.strftime("%Y-%m-%d %H:%M"),
        "second": _second,
        "number": _number,
        "duration": _duration,
        "state": state_of,
    }
    return environment


def _second(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


def _duration(length: timedelta) -> str:
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _number(value: float | str) -> str:
    """A number for people; "" if there is none."""
    try:
        number = float(value)
    except ValueError:
        return _NOTHING
    return f"{number:.4g}" if math.isfinite(number) else _NOTHING
