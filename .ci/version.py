"""The template's version, one for .template.yml and all packages: `python .ci/version.py [--set 1.1.0]`.

Prints it; exits with 1 when the files differ. `--set` writes it everywhere; then `uv lock`.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
VERSION: Final = re.compile(r'^((?:__version__|version)(?: = "|: ))(\d+\.\d+\.\d+)("?)$', re.MULTILINE)


def main() -> int:
    """Read the version of every file, or write one into all of them."""
    parser = argparse.ArgumentParser(description="The template's version, in .template.yml and in every package.")
    parser.add_argument("--set", dest="new", metavar="X.Y.Z", help="write this version into every file")
    given = parser.parse_args()
    if given.new and not re.fullmatch(r"\d+\.\d+\.\d+", given.new):
        parser.error(f"{given.new!r} is not a version of the form 1.2.3")
    if given.new:
        for file in versioned_files(ROOT):
            file.write_text(VERSION.sub(rf"\g<1>{given.new}\g<3>", file.read_text(encoding="utf-8"), count=1))
    found = versions(ROOT)
    if len(set(found.values())) != 1:
        print("\n".join(f"{name}: {version}" for name, version in found.items()), file=sys.stderr)
        return 1
    print(next(iter(found.values())))
    return 0


def versioned_files(root: Path) -> list[Path]:
    """The files that state the version."""
    packages = sorted(root.glob("packages/*/pyproject.toml"))
    # Copied into steps and endpoints, which have no metadata of an installed package.
    contract = root / "packages/model-package/src/model_package/__init__.py"
    return [root / ".template.yml", root / "pyproject.toml", *packages, contract]


def versions(root: Path) -> dict[str, str]:
    """The version that each file states, "" for a file without one."""
    found = {}
    for file in versioned_files(root):
        match = VERSION.search(file.read_text(encoding="utf-8"))
        found[file.relative_to(root).as_posix()] = match[2] if match else ""
    return found


if __name__ == "__main__":
    sys.exit(main())
