from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest

from mlops.audit.record import Break
from mlops.core.errors import MachineError, WorkspaceError
from mlops.dashboard.page import Page, render
from mlops.dashboard.serving import DashboardServer
from mlops.dashboard.snapshot import Service, Snapshot
from mlops.endpoint.stage_status import StageStatus
from mlops.settings.stages import StageOrder

Making = Callable[..., Snapshot]
HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">\u202e\x00'


class Elements(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@contextmanager
def serving(page: Page) -> Generator[DashboardServer]:
    with DashboardServer(0, page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def browser(server: DashboardServer) -> Generator[httpx.Client]:
    """A client that has used a link, as a browser does."""
    with httpx.Client(follow_redirects=True) as client:
        client.get(server.link())
        yield client


def test_page_tells_what_runs_and_what_happened(page: Page) -> None:
    html = page.html

    for text in ("version 2", "90 %", "traffic-10", "rolled back", "0.78", "0.31", "ada@example.com", "2026-03-02"):
        assert text in html
    assert len(Elements(html).named("svg")) == 1 + 2 * 3


def test_page_asks_nobody_for_anything(page: Page) -> None:
    html = page.html

    asking = {"src", "srcset", "href", "action", "data", "poster"}
    asked = [value for _, found in Elements(html).found for name, value in found.items() if name in asking]
    assert {value[0] for value in asked if value} == {"#"}
    assert "@import" not in html
    assert "url(" not in re.sub(r'clip-path="url\(#[^)]+\)"', "", html)


def test_page_has_landmarks_and_a_name_for_everything(page: Page) -> None:
    elements = Elements(page.html)

    assert all(elements.named(tag) for tag in ("header", "nav", "main", "footer"))
    assert elements.named("html") == [{"lang": "en"}]
    assert all(each.get("aria-label") for each in [*elements.named("svg"), *elements.named("progress")])
    assert all(each.get("aria-labelledby") for each in elements.named("section"))
    assert all(each.get("scope") for each in elements.named("th"))
    identifiers = [found["id"] for _, found in elements.found if "id" in found]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("records", [6, 60], ids=["shown", "older"])
def test_hostile_text_stays_text(page: Page, make_snapshot: Making, records: int) -> None:
    harmless = page if records == 6 else render(make_snapshot(records), served=True)
    texts = dict.fromkeys(("reason", "version", "model", "who", "drifted"), HOSTILE)

    attacked = Elements(render(make_snapshot(records, **texts), served=True).html)

    assert [tag for tag, _ in attacked.found] == [tag for tag, _ in Elements(harmless.html).found]
    assert not [found for _, found in attacked.found if any(name.startswith("on") for name in found)]


def test_version_changes_with_what_is_shown_and_not_with_the_time(
    page: Page, make_snapshot: Making, later: Callable[[Snapshot], Snapshot]
) -> None:
    assert render(later(make_snapshot()), served=True).version == page.version
    assert render(make_snapshot(7), served=True).version != page.version


def test_tampered_log_is_told_first(make_snapshot: Making) -> None:
    snapshot = make_snapshot()
    prod = snapshot.stages[2]
    broken = replace(prod, history=replace(prod.history, breaks=(Break(3, "does not follow record 2"),)))

    html = render(replace(snapshot, stages=(*snapshot.stages[:2], broken)), served=False).html

    told = html.index("TAMPERED: record 3 of prod's log does not follow record 2")
    assert told < html.index("What each stage runs")


def test_stage_that_cannot_be_asked_does_not_hide_the_others(make_snapshot: Making) -> None:
    snapshot = make_snapshot()
    status = StageStatus("dev", "credit-default-dev", problem=WorkspaceError("not logged in"))
    dev = replace(snapshot.stages[0], status=status, service=Service(problem="not logged in"))

    html = render(replace(snapshot, stages=(dev, *snapshot.stages[1:])), served=False).html

    assert "not logged in" in html
    assert "version 2" in html


def test_six_stages_have_a_card_and_a_colour_each(make_snapshot: Making) -> None:
    order = StageOrder(("lab", "dev", "test", "uat", "preprod", "live"))

    text = render(make_snapshot(order=order), served=False).html

    assert [name for name in order if f'<h3 id="stage-{name}">' in text] == list(order)
    assert all(f"var(--{colour})" in text for colour in ("accent", "second", "third", "fourth", "fifth", "sixth"))
    assert "mlops monitor --stage prod" not in text


def test_project_in_which_nothing_has_happened_has_a_page(make_snapshot: Making) -> None:
    empty = make_snapshot(0)
    stages = tuple(
        replace(stage, status=StageStatus(stage.name, stage.status.endpoint), service=Service())
        for stage in empty.stages
    )

    html = render(replace(empty, stages=stages), served=True).html

    assert html.count("runs no model") == 3
    assert "No records yet" in html


def test_served_page_may_do_what_stands_in_it_and_no_more(page: Page) -> None:
    with serving(page) as server, browser(server) as client:
        reply = client.get(server.address)

    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"


def test_version_can_be_asked_for_and_tells_why_a_page_is_old(page: Page) -> None:
    with serving(page) as server, browser(server) as client:
        fresh = client.get(f"{server.address}version").json()
        server.say("not refreshed: not logged in")
        stale = client.get(f"{server.address}version").json()

    assert fresh == {"version": page.version, "taken": "2026-03-02T09:30:00+00:00", "problem": ""}
    assert stale == fresh | {"problem": "not refreshed: not logged in"}


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [("", None, 200), ("other", None, 404), ("../etc/passwd", None, 401), ("", "evil.example", 403)],
)
def test_nothing_else_is_served_and_not_to_names_of_others(
    page: Page, path: str, host: str | None, status: int
) -> None:
    with serving(page) as server, browser(server) as client:
        reply = client.get(f"{server.address}{path}", headers={"host": host} if host else {})

    assert reply.status_code == status
    assert status == 200 or "credit-default" not in reply.text


def test_only_a_browser_that_used_a_link_is_answered_and_each_link_works_once(page: Page) -> None:
    with serving(page) as server, httpx.Client() as other, browser(server) as owner:
        link = server.link()
        opened = owner.get(link)
        # then neither the link nor the address is of use to another user of the machine
        refused = [other.get(url) for url in (link, server.address, f"{server.address}version")]
        root = other.get(f"http://{server.authority}/")
        forged = other.get(server.address, headers={"Cookie": "mlops-dashboard=[]; x"})

    cookie = opened.history[0].headers["set-cookie"]
    assert "credit-default" in opened.text
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", f"Path={server.path}"))
    assert [reply.status_code for reply in (*refused, root, forged)] == [401] * 5
    assert not any("credit-default" in reply.text for reply in (*refused, root, forged))
    assert server.path not in root.text + str(root.headers)


def test_port_that_is_taken_is_told_with_advice(page: Page) -> None:
    with DashboardServer(0, page) as server, pytest.raises(MachineError) as refused:
        DashboardServer(server.server_port, page)

    assert "--port 0" in refused.value.advice


def test_the_page_says_in_which_repository_the_releases_are(make_snapshot: Making) -> None:
    hint = "The releases of `mlops demo` are in its scratch repository: `mlops --project scratch COMMAND`."
    snapshot = make_snapshot()
    stages = tuple(
        replace(each, status=replace(each.status, differs="runs version 2, and this checkout releases no model to it"))
        for each in snapshot.stages
    )
    here = render(replace(snapshot, stages=stages, repository="/srv/project", hint=hint), served=False).html
    address = "https://github.com/o/r"
    hosted = render(replace(snapshot, repository=address, repository_url=address), served=False).html

    assert "releases of <code>/srv/project</code>" in here
    assert "mlops --project scratch COMMAND" in here
    assert "this checkout releases no model to it" in here
    assert f'releases of <a href="{address}">{address}</a>' in hosted
