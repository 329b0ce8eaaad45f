"""What stands where `gh`, `az` and ssh do in a replay: pull requests are opened nowhere, what was asked is kept.

Everything else that somebody asks of them is refused, so that no step takes a silence for an answer.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from mlops.replaying.source import Remote

_MODE: Final = 0o700
_STARTER: Final = '#!/bin/sh\nexec {python} -I -S {script} {settings} {program} "$@"\n'
# Git asks for one of two programs at the other end; the other end is here.
_SSH: Final = """#!/bin/sh
for word; do last=$word; done
case $last in
  git-upload-pack*) exec git upload-pack {folder} ;;
  git-receive-pack*) exec git receive-pack {folder} ;;
esac
echo "only git is reached by ssh in a replay" >&2
exit 1
"""
_SCRIPT: Final = Path(__file__).with_name("stand_in_program.py")


def install(folder: Path, remote: Remote, *, keep_az: bool, path: str) -> Path:
    """Put `gh`, `az` and `ssh` into a new folder; where they write down what was asked of them.

    With `keep_az`, what `az` is asked beyond pull requests goes to the one that `path` leads to: a login needs it.
    """
    folder.mkdir(mode=_MODE)
    asked = folder / "asked.jsonl"
    settings = folder / "settings.json"
    real = shutil.which("az", path=path) if keep_az else None
    facts = {
        "asked": str(asked),
        "real_az": real,
        "address": remote.forge.origin,
        "repository": f"{remote.forge.origin}/_git/{remote.forge.name}",
        "project": remote.forge.project,
        "name": remote.forge.name,
    }
    settings.write_text(json.dumps(facts), encoding="utf-8")
    for program in ("gh", "az"):
        words = {"python": sys.executable, "script": _SCRIPT, "settings": settings, "program": program}
        _write(folder / program, _STARTER, words)
    _write(folder / "ssh", _SSH, {"folder": remote.folder})
    return asked


def asked_for(file: Path) -> Iterable[str]:
    """What was asked of the programs, as somebody would type it."""
    if not file.is_file():
        return ()
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(shlex.join(json.loads(line)) for line in lines)


def _write(program: Path, text: str, words: Mapping[str, str | Path]) -> None:
    program.write_text(text.format(**{name: shlex.quote(str(word)) for name, word in words.items()}), encoding="utf-8")
    program.chmod(_MODE)
