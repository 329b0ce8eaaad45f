"""A report that is too long for a description becomes a thread; hostile text in it stays text."""

from __future__ import annotations

import pytest

from mlops.githost.pull_requests import AzureRepos

from .conftest import Work

HOSTILE = '@file.json $(touch pwned) `id` "; rm -rf ~ #\n##vso[task.complete]'


def test_what_the_description_cannot_hold_goes_into_a_thread(azure: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure.forge.variables().items():
        monkeypatch.setenv(name, value)
    azure.propose("b", {"a": "1"})
    report = HOSTILE + "x" * 10_000

    opened = AzureRepos(azure.folder).propose("b", "main", HOSTILE, "in brief", report)
    again = AzureRepos(azure.folder).propose("b", "main", "title", "in brief")

    assert opened.url == again.url
    (pull,) = azure.forge.open_pull_requests()
    assert [comment.body for comment in pull.comments] == [report]
    assert not (azure.folder / "pwned").exists()
