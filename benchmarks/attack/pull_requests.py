"""Pull requests that cheat: each must be refused by `mlops gate`, with a verdict and not with a traceback."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from attack.findings import Findings
from attack.released import Released, released

LONGEST_SECONDS = 300.0
# A gate blocks; the input, a file, or the stage before refuses.
REFUSALS = {1, 2, 3, 9}
# Of a pull request whose files can be read: only a gate or the stage before may refuse it.
VERDICTS = {1, 9}
WELL_FORMED = (
    "the gates are loosened with it",
    "a worse model",
    "a stage is skipped",
    "the policy of provenance is loosened with it",
    "a worse model under the digest of the good one",
    "a digest that no model has",
    "the service level is loosened with it",
)
_FIRST = r'version: "?1"?(?=\n)'
_STAGING, _PROD = "releases/staging.yml", "releases/prod.yml"
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{this}: &{this} [{', '.join([f'*{before}'] * 9)}]\n" for before, this in zip("abcdefgh", "bcdefghi", strict=True)
)
_FORGED = '''"""Metrics of our own."""

from model_package.measures import Metric

METRICS = [Metric(name="roc_auc", higher_is_better=True, function=lambda *_: 1.0)]
'''


def cheat(count: int, _: int) -> Findings:
    """Put the first `count` attacks before the gate; 0 for all of them."""
    findings, attacks = Findings("cheat"), dict(islice(ATTACKS.items(), count or None))
    with released() as there:
        base = there.git("rev-parse", "HEAD")
        for name, change in attacks.items():
            there.git("checkout", "--quiet", "--force", "--detach", base)
            there.git("clean", "-fdq")
            change(there)
            there.git("add", "-A")
            there.git("commit", "--quiet", "--allow-empty", "-m", name)
            began = time.monotonic()
            done = there.mlops("gate", "--since", base, "--no-record")
            seconds = time.monotonic() - began
            findings.saw(f"exit {done.returncode}")
            said = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("Error")), "")
            print(f"cheat: {name}: exit {done.returncode} in {seconds:.0f} s. {said}", file=sys.stderr, flush=True)
            if done.returncode not in (VERDICTS if name in WELL_FORMED else REFUSALS):
                findings.add(f"{name}: exit {done.returncode}: {(done.stdout + done.stderr)[-600:]}")
            if "Traceback" in done.stdout + done.stderr or seconds > LONGEST_SECONDS:
                findings.add(f"{name}: a traceback, or too slow: {seconds:.0f} s, {done.stderr[-600:]}")
            findings.progress(len(attacks))
    return findings


def _edit(there: Released, path: str, *changes: tuple[str, str]) -> None:
    """Replace by regular expression; each must be found."""
    file = there.repository / path
    text = file.read_text(encoding="utf-8")
    for pattern, replacement in changes:
        text, found = re.subn(pattern, replacement, text)
        if not found:
            raise RuntimeError(f"'{pattern}' is not in {path}")
    file.write_text(text, encoding="utf-8")


def _release_worse(there: Released, path: str = _STAGING) -> None:
    worse = there.worse
    _edit(
        there,
        path,
        (_FIRST, f'version: "{worse["version"]}"'),
        (r"digest: \S+", f"digest: {worse['digest']}"),
    )


def _with(change: Callable[[Released], None]) -> Callable[[Released], None]:
    """Release the worse model together with another change."""

    def both(there: Released) -> None:
        _release_worse(there)
        change(there)

    return both


def _loosen_gates(there: Released) -> None:
    bounds = (r"(max_drop|max_rise|max_ratio|max): [\d.]+", r"\1: 9.9"), (r"\bmin: [\d.]+", "min: 0.0")
    _edit(there, "releases/gates.yml", *bounds)


def _write(path: str, content: str | bytes) -> Callable[[Released], None]:
    def write(there: Released) -> None:
        file = there.repository / path
        file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def _link(path: str, target: Path) -> Callable[[Released], None]:
    def link(there: Released) -> None:
        (there.repository / path).unlink()
        (there.repository / path).symlink_to(target)

    return link


ATTACKS: dict[str, Callable[[Released], None]] = {
    "the gates are loosened with it": _with(_loosen_gates),
    "a worse model": _release_worse,
    "a stage is skipped": lambda there: _release_worse(there, _PROD),
    "a metric of its own, which is always 1": _with(_write("extensions/metrics.py", _FORGED)),
    "the policy of provenance is loosened with it": _with(
        lambda there: _edit(there, "releases/provenance.yml", (r"required", "optional"))
    ),
    "a worse model under the digest of the good one": lambda there: _edit(
        there, _STAGING, (_FIRST, f'version: "{there.worse["version"]}"')
    ),
    "a digest that no model has": lambda there: _edit(there, _STAGING, (r"digest: \S+", f"digest: sha256:{'0' * 64}")),
    "the gates are deleted with it": _with(lambda there: (there.repository / "releases/gates.yml").unlink()),
    "the gates have no rule left": _with(_write("releases/gates.yml", "format: 1\nrules: []\n")),
    "the service level is loosened with it": _with(
        lambda there: _edit(there, _STAGING, (r"(p9[59])_milliseconds: \S+", r"\1_milliseconds: 9000"))
    ),
    "a letter of another alphabet in the name": _with(
        lambda there: _edit(there, _STAGING, (r"name: credit", "name: cr\u0435dit"))
    ),
    "a version that leaves the folder": lambda there: _edit(there, _STAGING, (_FIRST, "version: ../../1")),
    "aliases that grow without bounds": _with(_write("releases/gates.yml", f"format: 1\n{_BOMB}")),
    "an object of Python": _with(
        _write("releases/gates.yml", "format: 1\nrules: !!python/object/apply:os.system [ls]\n")
    ),
    "a number of 5,000 digits": _with(_write("releases/gates.yml", f"format: {'9' * 5_000}\n")),
    "nesting of 20,000": _with(_write("releases/gates.yml", f"format: {'[' * 20_000}\n")),
    "UTF-16": _write(_STAGING, "format: 1\nrelease: null\n".encode("utf-16")),
    "zero bytes": _write(_STAGING, b"format: 1\n\x00\x00\n"),
    "a link to a file of the machine": _link(_STAGING, Path("/etc/passwd")),
}
