"""How the programs of this fake end early.

Refusal        the program's own sentence on standard error, and its exit code
└── Usage      the command line is not one that the program takes
"""

from __future__ import annotations


class Refusal(Exception):
    """A sentence for standard error, an exit code, and maybe a body for standard output."""

    def __init__(self, sentence: str, exit_code: int = 1, body: str = "") -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
        self.body = body


class Usage(Refusal):
    """A command or flag that the program does not have, or that this fake does not model."""
