"""The page in a real browser: what people see, press and type; one browser for all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from chromium import CONTRAST, PATIENCE_MILLISECONDS, PROGRAM, open_tab
from playwright.sync_api import Page, expect

from mlops.dashboard.page import render
from mlops.dashboard.serving import DashboardServer
from mlops.dashboard.snapshot import Snapshot

pytestmark = pytest.mark.skipif(not PROGRAM.is_file(), reason="needs `apt-get install chromium`")
expect.set_options(timeout=PATIENCE_MILLISECONDS)
Making = Callable[..., Snapshot]
PHONE, DESK = (390, 844), (1280, 900)
BACKGROUNDS: dict[Literal["dark", "light"], str] = {"dark": "rgb(18, 24, 30)", "light": "rgb(245, 247, 249)"}
ROWS = "#records tbody tr"
HOSTILE = '<img src="https://example.com/x" onerror="document.title=\'owned\'"></script><script>document.title="owned"'
COME_BACK = "void document.dispatchEvent(new Event('visibilitychange'))"
# Texts of charts that lie, even partly, beyond what is shown of the picture.
CUT_OFF = """[...document.querySelectorAll("svg.chart text")].filter((text) => {
  const [card, inside] = [text.closest(".card").getBoundingClientRect(), text.getBoundingClientRect()];
  const drawn = text.closest("svg").getBoundingClientRect();
  const shown = getComputedStyle(text.closest("svg")).overflow === "visible" ? card : drawn;
  return inside.left < shown.left || inside.right > shown.right;
}).map((text) => text.textContent)"""


def test_page_in_a_browser(make_snapshot: Making, tmp_path: Path) -> None:
    hostile = make_snapshot(120, reason=HOSTILE, version=HOSTILE[:200], drifted=HOSTILE)
    # At midnight the charts of the last day have a time at their very edge.
    hostile = replace(hostile, taken=hostile.taken.replace(hour=0, minute=0) + timedelta(days=1))
    with DashboardServer(0, render(hostile, served=True)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with open_tab() as tab:
            page = tab.page
            page.goto(server.link())
            _reads_well(page, server.address)
            _history_can_be_searched(page)
            _keyboard_is_enough(page, server.address)
            _renews_itself(page, server, make_snapshot(6))
            _needs_no_server(page, render(hostile, served=False).html, tmp_path / "dashboard.html")
            # then nothing was asked of anybody else, nothing of others ran, and the page's own policy stopped nothing
            assert tab.requests
            assert all(address.startswith((server.address, "file://")) for address in tab.requests)
            assert tab.complaints == []
        server.shutdown()


def _reads_well(page: Page, address: str) -> None:
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        for scheme, colour in BACKGROUNDS.items():
            page.emulate_media(color_scheme=scheme)
            page.goto(address)
            assert page.title() == "credit-default: stages"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CONTRAST) >= 4.5, f"too little contrast when {scheme}"
            expect(page.locator("body")).to_have_css("background-color", colour)
    assert page.evaluate("[...document.querySelectorAll('svg')].every((each) => each.getBBox().width > 300)")
    # and no time of a chart is cut off at the edge of its picture
    assert page.evaluate(CUT_OFF) == []


def _history_can_be_searched(page: Page) -> None:
    rows, found = page.locator(ROWS), page.locator("#found")
    expect(rows).to_have_count(50)
    # when older records are asked for
    page.locator("#more").click()
    expect(rows).to_have_count(250)
    # and when words are typed, all records are searched
    page.locator("#search").fill("PROD by hand")
    expect(rows).to_have_count(20)
    expect(found).to_have_text("20 of 360")
    expect(page.locator("#records img")).to_have_count(0)
    # and the search outlives a reload
    page.reload()
    expect(found).to_have_text("20 of 360")
    expect(rows).to_have_count(20)


def _keyboard_is_enough(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    expect(page.locator("a.skip")).to_be_in_viewport()
    # when the first rollout is reached and opened
    page.locator("#rollouts summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rollouts details").first).to_have_attribute("open", "")


def _renews_itself(page: Page, server: DashboardServer, newer: Snapshot) -> None:
    # when somebody comes back to a page that is old
    page.evaluate("window.marked = true")
    server.show(render(replace(newer, model="newer-model"), served=True))
    page.evaluate(COME_BACK)
    expect(page.locator("header")).to_contain_text("newer-model")
    assert page.evaluate("window.marked") is None
    # and one whose server cannot ask the stages any more
    server.say("not refreshed: not logged in")
    page.evaluate(COME_BACK)
    expect(page.locator("#stale")).to_contain_text("not logged in")


def _needs_no_server(page: Page, html: str, file: Path) -> None:
    file.write_text(html, encoding="utf-8")
    page.goto(file.as_uri())
    expect(page.locator(ROWS)).to_have_count(50)
    page.locator("#more").click()
    expect(page.locator(ROWS)).to_have_count(250)
