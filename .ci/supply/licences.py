"""Records the licence of every locked package: `uv run --group ci python .ci/supply/licences.py`.

licences.yml holds them by licence, and says which are allowed; `mlops check` compares it with the locks, offline. A new
package is looked up in what is installed here and in infra/, so install the groups first (`uv sync --all-groups`).
Exits with 1 for a package whose licence neither the file nor its metadata names: write it in by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path
from typing import Final

import yaml
from locked import ENVIRONMENTS, environment_pins

ROOT: Final = Path(__file__).parents[2]
FILE: Final = Path(".ci/supply/licences.yml")
LOCKS: Final = (Path("uv.lock"), Path("infra/uv.lock"))
_BEGIN: Final = "licences:\n"
_CLASSIFIER: Final = "License ::"
# The classifiers and words that packages use, and what SPDX calls them. The first that fits decides.
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    (r"proprietary|aka\.ms/azureml-sdk-license", "LicenseRef-Proprietary"),
    (r"affero|agpl", "AGPL-3.0-or-later"),
    (r"lesser general public|lgpl", "LGPL-3.0-or-later"),
    (r"general public license|\bgpl", "GPL-3.0-or-later"),
    (r"mozilla public license 2|mpl-2", "MPL-2.0"),
    (r"apache", "Apache-2.0"),
    (r"2-clause", "BSD-2-Clause"),
    (r"\bbsd\b|3-clause", "BSD-3-Clause"),
    (r"\bisc\b", "ISC"),
    (r"python software foundation|psf", "PSF-2.0"),
    (r"zope", "ZPL-2.1"),
    (r"\bmit\b", "MIT"),
)
_SPDX: Final = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


def main() -> int:
    """Write the licences of all locked packages, and name those that are unknown."""
    parser = argparse.ArgumentParser(description="Records the licence of every locked package.")
    parser.add_argument("folders", nargs="*", help="further folders with installed packages, such as infra's")
    folders = parser.parse_args().folders
    file = ROOT / FILE
    head, _, _ = file.read_text(encoding="utf-8").partition(_BEGIN)
    recorded = recorded_licences(ROOT)
    names = set(locked_names(ROOT))
    found = dict(_installed(names - recorded.keys(), folders))
    known = {name: licence for name, licence in (found | recorded).items() if name in names}
    file.write_text(head + _BEGIN + _text(known), encoding="utf-8")
    unknown = sorted(names - known.keys())
    print(f"{len(known)} licences, {len(found)} of them new: {', '.join(sorted(found)) or 'none'}")
    for name in unknown:
        print(f"{name}: install it, or write its licence into {FILE}", file=sys.stderr)
    return 1 if unknown else 0


def recorded_licences(root: Path) -> dict[str, str]:
    """The recorded licence of each package."""
    content = yaml.safe_load((root / FILE).read_text(encoding="utf-8"))
    return {name: licence for licence, names in (content["licences"] or {}).items() for name in names}


def accepted_packages(root: Path) -> Mapping[str, Mapping[str, str]]:
    """What is used in spite of its licence or state, each with `why` and `instead`."""
    return yaml.safe_load((root / FILE).read_text(encoding="utf-8"))["accepted"]


def locked_names(root: Path) -> Iterator[str]:
    """The packages of all locks and of the environments, without those of this repository."""
    for lock in LOCKS:
        for package in tomllib.loads((root / lock).read_text(encoding="utf-8"))["package"]:
            if "registry" in package["source"]:
                yield package["name"]
    for file in sorted((root / ENVIRONMENTS).glob("*.conda.yml")):
        yield from environment_pins(file)


def licence_in(metadata: PackageMetadata) -> str | None:
    """The licence that a package's metadata state, as an SPDX expression; None if they state none."""
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith(_CLASSIFIER)]
    stated = metadata["License"].strip() if "License" in metadata else ""
    if _SPDX.fullmatch(stated) and any(each in stated for each in ("-", " OR ", " AND ")):
        return stated
    text = " ".join([*classifiers, *stated.splitlines()[:1]]).lower()
    return next((spdx for pattern, spdx in _WORDS if re.search(pattern, text)), None)


def _installed(names: set[str], folders: list[str]) -> Iterator[tuple[str, str]]:
    infrastructure = [str(each) for each in ROOT.glob("infra/.venv/lib/python*/site-packages")]
    for distribution in [*distributions(), *distributions(path=[*infrastructure, *folders])]:
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        licence = licence_in(distribution.metadata) if name in names else None
        if licence is not None:
            yield name, licence


def _text(known: Mapping[str, str]) -> str:
    by_licence: dict[str, list[str]] = {}
    for name, licence in sorted(known.items()):
        by_licence.setdefault(licence, []).append(name)
    return "".join(_entry(licence, names) for licence, names in sorted(by_licence.items()))


def _entry(licence: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"  {licence}: [{names[0]}]\n"
    lines = textwrap.wrap(", ".join(names), width=110, break_on_hyphens=False, break_long_words=False)
    return f"  {licence}:\n    [\n" + "".join(f"      {line}\n" for line in lines) + "    ]\n"


if __name__ == "__main__":
    sys.exit(main())
