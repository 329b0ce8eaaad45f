"""Takes the pictures of docs/images from a project in which `mlops demo` has run, and which its workspace still serves.

    uv run mlops demo
    uv run python packages/mlops/tests/browser/screenshots.py

Needs Chromium (`apt-get install chromium`). Each picture is the top of a page, with few colours: tens of kilobytes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from chromium import PROGRAM, open_tab
from PIL import Image

ROOT: Final = Path(__file__).parents[4]
WIDTH: Final = 1100
COLOURS: Final = 64
# The page's name in docs/images, the pattern of its file below .mlops/reports, and the height that is shown.
REPORTS: Final = (
    ("training-report", "credit-default-[0-9]*.html", 900),
    ("gate-report", "gate-staging-*.html", 900),
)
DASHBOARD_HEIGHT: Final = 900


def main() -> int:
    """Take all pictures, and print their names and sizes."""
    parser = argparse.ArgumentParser(description="Takes the pictures of docs/images after `mlops demo`.")
    parser.add_argument("--project", type=Path, default=ROOT, help="the project in which the demo has run")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="the folder of the pictures")
    given = parser.parse_args()
    if not PROGRAM.is_file():
        parser.error("Chromium is missing: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        given.out.mkdir(parents=True, exist_ok=True)
        pages = [("dashboard", write_dashboard(given.project, Path(folder)), DASHBOARD_HEIGHT)]
        for name, pattern, height in REPORTS:
            found = sorted((given.project / ".mlops/reports").glob(pattern))
            if not found:
                parser.error(f"there is no {name}: run `uv run mlops demo` first")
            pages.append((name, found[-1], height))
        for name, page, height in pages:
            picture = given.out / f"{name}.png"
            picture.write_bytes(small(screenshot(page, height)))
            print(f"{picture.relative_to(given.out.parent)}: {picture.stat().st_size / 1024:.0f} kB")
    return 0


def write_dashboard(project: Path, folder: Path) -> Path:
    """The dashboard as a file: of the demo's scratch repository, whose releases the stages run."""
    scratch = project / ".mlops/demo/repository"
    command = [sys.executable, "-m", "mlops", "--project", str(scratch if scratch.is_dir() else project)]
    subprocess.run([*command, "dashboard", "--write", str(folder)], check=True, env=workspace_of(project))
    return next(folder.rglob("*.html"))


def workspace_of(project: Path) -> dict[str, str]:
    """This process's variables, and those that lead to the project's local workspace."""
    command = [sys.executable, "-m", "mlops", "--project", str(project), "env", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {**os.environ, **json.loads(done.stdout)}


def screenshot(page: Path, height: int) -> bytes:
    """The top of a page on a desktop, in light colours, as PNG."""
    with open_tab() as tab:
        tab.page.emulate_media(color_scheme="light")
        tab.page.set_viewport_size({"width": WIDTH, "height": height})
        tab.page.goto(page.resolve().as_uri())
        return tab.page.screenshot()


def small(picture: bytes) -> bytes:
    """The same picture with a palette."""
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS).save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
