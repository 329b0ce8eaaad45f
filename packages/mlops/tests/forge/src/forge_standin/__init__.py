"""A forge on this machine for tests: `gh`, `az` and `ssh` as programs, before a real bare repository.

Only the standard library is imported, and what a program does not need is not, so that it starts in a moment. What is
not modelled is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forge_standin.forge import AzureForge, Forge, GitHubForge

__all__ = ["AzureForge", "Forge", "GitHubForge"]


def __getattr__(name: str) -> type:
    """One of the classes for tests, imported when it is asked for."""
    if name not in __all__:
        raise AttributeError(name)
    from forge_standin import forge

    return getattr(forge, name)
