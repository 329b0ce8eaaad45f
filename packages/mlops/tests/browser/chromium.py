"""A real browser for tests and measurements: Debian's Chromium without a window, driven by Playwright.

Every page may reach nothing but this machine. Imported by its plain name (`pythonpath` in pyproject.toml).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import ConsoleMessage, Page, sync_playwright

PROGRAM: Final = Path("/usr/bin/chromium")
PATIENCE_MILLISECONDS: Final = 60_000.0
_FLAGS: Final = (
    "--disable-gpu",
    # Whatever else a page asks for is refused here, and seen in its requests.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# The least ratio of the brightness of text to what is behind it that WCAG asks for (AA), over all texts of the page.
CONTRAST = """(() => {
  const part = (value) => { const c = value / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const element of document.querySelectorAll("body *:not(script):not(noscript)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg") && element.tagName !== "text") continue;
    const style = getComputedStyle(element);
    const colour = parse(element.tagName === "text" ? style.fill : style.color);
    const [one, two] = [light(colour), light(behind(element))];
    least = Math.min(least, (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05));
  }
  return least;
})()"""
_COMPLAINTS: Final = frozenset({"error", "warning"})


@dataclass
class Tab:
    """A page. `requests` are the addresses that it asked for, `complaints` what it, or the browser, complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Keep what the browser tells, where that is a complaint."""
        if message.type in _COMPLAINTS:
            self.complaints.append(message.text)


@contextmanager
def open_tab() -> Generator[Tab]:
    """A tab of a browser that has nothing of any other; it ends with the block."""
    with sync_playwright() as playwright:
        # Tests run as root in containers, where Chromium's own walls cannot be built.
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=_FLAGS, chromium_sandbox=False)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        tab = Tab(page)
        page.on("request", lambda request: tab.requests.append(request.url))
        page.on("console", tab.note)
        page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        try:
            yield tab
        finally:
            browser.close()
