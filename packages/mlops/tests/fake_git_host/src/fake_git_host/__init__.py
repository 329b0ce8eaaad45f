"""A fake git host for tests: the programs `gh`, `az` and `ssh` in front of a real bare repository.

Programs import only the standard library and only what they need, so that they start quickly. Requests that are not
modelled are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fake_git_host.host import FakeAzureDevOps, FakeGitHost, FakeGitHub

__all__ = ["FakeAzureDevOps", "FakeGitHost", "FakeGitHub"]


def __getattr__(name: str) -> type:
    """Import the classes for tests on demand."""
    if name not in __all__:
        raise AttributeError(name)
    from fake_git_host import host

    return getattr(host, name)
