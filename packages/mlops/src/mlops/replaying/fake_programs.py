"""Fakes of the git hosts' programs and of `ssh` for a replay: they log pull requests instead of opening them.

Other requests fail, so that no step mistakes a missing answer for success.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from mlops.githost.hosts import HOSTS
from mlops.replaying.source import Remote

_MODE: Final = 0o700
_LOGIN_PROGRAM: Final = "az"
_STARTER: Final = '#!/bin/sh\nexec {python} -I -S {script} {settings} {program} "$@"\n'
# Git runs one of two programs on the remote host, which is this machine.
_SSH: Final = """#!/bin/sh
for word; do last=$word; done
case $last in
  git-upload-pack*) exec git upload-pack {folder} ;;
  git-receive-pack*) exec git receive-pack {folder} ;;
esac
echo "a replay supports only git over ssh" >&2
exit 1
"""
# The web address of the repository leads to the copy as well.
_GIT_CONFIG: Final = '[url "{address}"]\n\tinsteadOf = {web}.git\n\tinsteadOf = {web}\n'
_SCRIPT: Final = Path(__file__).with_name("fake_program.py")


def install(folder: Path, remote: Remote, *, keep_az: bool, path: str) -> Path:
    """Install the fakes in a new folder, with a git configuration that uses them; return the request log.

    With `keep_az`, other requests to `az` go to the real one on `path`: a login needs it.
    """
    folder.mkdir(mode=_MODE)
    request_log = folder / "requests.jsonl"
    settings = folder / "settings.json"
    replies = {
        replay.program: [asdict(reply) for reply in replay.replies(remote.address)]
        for replay in filter(None, (host.replay() for host in HOSTS))
    }
    real = {_LOGIN_PROGRAM: shutil.which(_LOGIN_PROGRAM, path=path)} if keep_az else {}
    facts = {"request_log": str(request_log), "real": real, "replies": replies}
    settings.write_text(json.dumps(facts), encoding="utf-8")
    for program in replies:
        words = {"python": sys.executable, "script": _SCRIPT, "settings": settings, "program": program}
        _write(folder / program, _STARTER, words)
    _write(folder / "ssh", _SSH, {"folder": remote.folder})
    config = _GIT_CONFIG.format(address=remote.ssh_url, web=remote.address.url)
    (folder / "gitconfig").write_text(config, encoding="utf-8")
    return request_log


def logged_requests(file: Path) -> Iterable[str]:
    """The command lines of all logged requests."""
    if not file.is_file():
        return ()
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(shlex.join(json.loads(line)) for line in lines)


def _write(program: Path, text: str, words: Mapping[str, str | Path]) -> None:
    program.write_text(text.format(**{name: shlex.quote(str(word)) for name, word in words.items()}), encoding="utf-8")
    program.chmod(_MODE)
