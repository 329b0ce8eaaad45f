"""A forge on this machine for tests: `gh`, `az` and `ssh` as programs, before a real bare repository.

Only the standard library is imported, so that a program of it starts in a moment. What is not modelled is refused.
"""

from forge_standin.forge import AzureForge, Forge, GitHubForge

__all__ = ["AzureForge", "Forge", "GitHubForge"]
