"""The extensions/ of a project for those who judge with them: its code runs in a confined process of its own.

What comes back are descriptions, numbers and arrays, each checked for what it must be. Steps that train and endpoints
that answer load extensions/ themselves (tasks.extensions): they judge nothing.
"""

from pathlib import Path

from model_package.isolated_extensions.client import DEFAULT_LIMITS, IsolatedLoading, Limits
from model_package.tasks.extensions import SHIPPED, use_extensions

__all__ = ["DEFAULT_LIMITS", "Limits", "use_isolated_extensions"]


def use_isolated_extensions(folder: Path = SHIPPED, limits: Limits = DEFAULT_LIMITS) -> None:
    """Take extensions from this folder from now on, in a process that starts when something asks for them."""
    use_extensions(folder, IsolatedLoading(limits))
