"""A fake of a git host's program. Runs outside of any virtual environment; fake_programs.py installs it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

# Requests that change nothing are not logged.
_READING = ("list", "git-credential")


def main(settings_file: str, program: str, words: list[str]) -> int:
    """Answer requests about pull requests as the real program would; refuse all others."""
    settings = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    reply = next((each for each in settings["replies"][program] if _matches(each, words)), None)
    if reply is None:
        return _refuse(program, words, settings["real"].get(program))
    if not set(words) & set(_READING):
        with Path(settings["request_log"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([program, *words]) + "\n")
    print(reply["text"])
    return 0


def _matches(reply: dict[str, Any], words: list[str]) -> bool:
    begins = words[: len(reply["words"])] == reply["words"]
    return begins and (not reply["containing"] or reply["containing"] in words)


def _refuse(program: str, words: list[str], real: str | None) -> int:
    if real:
        os.execv(real, [program, *words])  # noqa: S606 - the program itself, without a shell
    print(f"`{program} {' '.join(words[:3])}` is not simulated in a replay; only pull requests are", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
