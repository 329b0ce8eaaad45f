"""A report that is too long for a description becomes a thread; injected commands in it stay text."""

from __future__ import annotations

import pytest

from mlops.githost.hosts import pull_requests_of

from .conftest import Work

INJECTION = '@file.json $(touch pwned) `id` "; rm -rf ~ #\n##vso[task.complete]'


def test_what_the_description_cannot_hold_goes_into_a_thread(azure: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure.host.variables().items():
        monkeypatch.setenv(name, value)
    azure.propose("b", {"a": "1"})
    report = INJECTION + "x" * 10_000

    pull_requests = pull_requests_of(azure.host.address, azure.folder)
    opened = pull_requests.propose("b", "main", INJECTION, "in brief", report)
    again = pull_requests.propose("b", "main", "title", "in brief")

    assert opened.url == again.url
    (pull,) = azure.host.open_pull_requests()
    assert [comment.body for comment in pull.comments] == [report]
    assert not (azure.folder / "pwned").exists()
