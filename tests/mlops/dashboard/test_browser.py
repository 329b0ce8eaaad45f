"""The page in a real browser: what people see, press and type; one browser for all of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from chromium import PROGRAM, Browser, open_browser

from mlops.dashboard.page import render
from mlops.dashboard.server import DashboardServer
from mlops.dashboard.snapshot import Snapshot

pytestmark = pytest.mark.skipif(not PROGRAM.is_file(), reason="Debian's package chromium is not installed")
Making = Callable[..., Snapshot]
PHONE, DESK = (390, 844), (1280, 900)
HOSTILE = '<img src="https://example.com/x" onerror="document.title=\'owned\'"></script><script>document.title="owned"'
COME_BACK = "void document.dispatchEvent(new Event('visibilitychange'))"
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

# Texts of charts that lie, even partly, beyond what is shown of the picture.
CUT_OFF = """[...document.querySelectorAll("svg.chart text")].filter((text) => {
  const [card, inside] = [text.closest(".card").getBoundingClientRect(), text.getBoundingClientRect()];
  const drawn = text.closest("svg").getBoundingClientRect();
  const shown = getComputedStyle(text.closest("svg")).overflow === "visible" ? card : drawn;
  return inside.left < shown.left || inside.right > shown.right;
}).map((text) => text.textContent)"""


def test_page_in_a_browser(make_snapshot: Making, tmp_path: Path) -> None:
    asyncio.run(_all(make_snapshot, tmp_path))


async def _all(make_snapshot: Making, folder: Path) -> None:
    hostile = make_snapshot(120, reason=HOSTILE, version=HOSTILE[:200], moved=HOSTILE)
    # At midnight the charts of the last day have a time at their very edge.
    hostile = replace(hostile, taken=hostile.taken.replace(hour=0, minute=0) + timedelta(days=1))
    page = render(hostile, served=True)
    with DashboardServer(0, page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        async with open_browser() as browser:
            await browser.open(server.address)
            await _reads_well(browser, server.address)
            await _history_can_be_searched(browser)
            await _keyboard_is_enough(browser, server.address)
            await _renews_itself(browser, server, make_snapshot(6))
            await _needs_no_server(browser, render(hostile, served=False).html, folder / "dashboard.html")
            # then nothing was asked of anybody else, nothing of others ran, and the page's own policy stopped nothing
            assert {address.partition(":")[0] for address in browser.requests} <= {"http", "file"}
            assert all(address.startswith((server.address, "file://")) for address in browser.requests)
            assert browser.messages == []
        server.shutdown()


async def _reads_well(browser: Browser, address: str) -> None:
    for width, height in (DESK, PHONE):
        await browser.size(width, height)
        for scheme in ("dark", "light"):
            await browser.prefer(scheme)
            await browser.open(address)
            assert await browser.run("document.title") == "credit-default: stages"
            assert await browser.run("document.documentElement.scrollWidth") <= width
            assert await browser.run(CONTRAST) >= 4.5, f"too little contrast when {scheme}"
            background = await browser.run("getComputedStyle(document.body).backgroundColor")
            assert background == ("rgb(18, 24, 30)" if scheme == "dark" else "rgb(245, 247, 249)")
    assert await browser.run("[...document.querySelectorAll('svg')].every((each) => each.getBBox().width > 300)")
    # and no time of a chart is cut off at the edge of its picture
    assert await browser.run(CUT_OFF) == []


async def _history_can_be_searched(browser: Browser) -> None:
    rows = "document.querySelectorAll('#records tbody tr').length"
    assert await browser.run(rows) == 50
    # when older records are asked for
    await browser.run("document.getElementById('more').click()")
    assert await browser.run(rows) == 250
    # and when words are typed, all records are searched
    await browser.run("document.getElementById('search').focus()")
    await browser.ask("Input.insertText", text="PROD by hand")
    assert await browser.run(rows) == 20
    assert await browser.run("document.getElementById('found').textContent") == "20 of 360"
    assert await browser.run("document.querySelectorAll('#records img').length") == 0
    # and the search outlives a reload
    await browser.ask("Page.reload")
    await browser.wait_for("document.readyState === 'complete' && document.getElementById('found')?.textContent")
    assert await browser.run(rows) == 20


async def _keyboard_is_enough(browser: Browser, address: str) -> None:
    await browser.open(address)
    await browser.press("Tab")
    assert await browser.run("document.activeElement.className") == "skip"
    assert await browser.run("document.activeElement.getBoundingClientRect().left >= 0")
    # when the first rollout is reached and opened
    await browser.run("document.querySelector('#rollouts summary').focus()")
    await browser.press("Enter")
    assert await browser.run("document.querySelector('#rollouts details').open")


async def _renews_itself(browser: Browser, server: DashboardServer, newer: Snapshot) -> None:
    # when somebody comes back to a page that is old
    await browser.run("window.marked = true")
    server.show(render(replace(newer, model="newer-model"), served=True))
    await browser.run(COME_BACK)
    await browser.wait_for("window.marked === undefined && document.body?.textContent.includes('newer-model')")
    # and one whose server cannot ask the stages any more
    server.say("not renewed: nobody is logged in")
    await browser.run(COME_BACK)
    await browser.wait_for("document.getElementById('stale')?.textContent.includes('nobody is logged in')")


async def _needs_no_server(browser: Browser, html: str, file: Path) -> None:
    await asyncio.to_thread(file.write_text, html, encoding="utf-8")
    await browser.open(file.as_uri())
    assert await browser.run("document.querySelectorAll('#records tbody tr').length") == 50
    await browser.run("document.getElementById('more').click()")
    assert await browser.run("document.querySelectorAll('#records tbody tr').length") == 250
