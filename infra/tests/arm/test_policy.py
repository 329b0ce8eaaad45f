"""checkov on the template of every stack: each finding is fixed, or explained in policy.yml.

checkov has an environment of its own, because it cannot be installed beside Pulumi; without it this is skipped:
`UV_PROJECT_ENVIRONMENT=.venv-policy uv sync --only-group policy` makes it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from dry_run.stack_files import FOLDER
from tests.arm.template import template_of
from tests.conftest import VARIANTS, dry_run_of

OWN = FOLDER / ".venv-policy" / "bin" / "checkov"
CHECKOV = str(OWN) if OWN.is_file() else shutil.which("checkov")
SKIPS = yaml.safe_load((FOLDER / "policy.yml").read_text())
LIMIT_SECONDS = 180
PROFILES = {"dev": "development", "staging": "preproduction", "prod": "production"}


@pytest.mark.skipif(
    CHECKOV is None,
    reason="needs `UV_PROJECT_ENVIRONMENT=.venv-policy uv sync --directory infra --only-group policy`",
)
def test_every_finding_is_fixed_or_explained(tmp_path: Path) -> None:
    # given the template of every variant
    for variant in VARIANTS:
        (tmp_path / f"{variant}.json").write_text(json.dumps(template_of(dry_run_of(variant))))
    # when checkov scans them, without a network
    assert CHECKOV is not None
    command = [CHECKOV, "-d", str(tmp_path), "--framework", "arm", "--skip-download", "--quiet", "-o", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    report = json.loads(ran.stdout)
    # then it ran its checks, and its findings are explained for that profile
    assert report["summary"]["passed"] > 100
    assert not report["summary"]["parsing_errors"]
    found = {
        (check["check_id"], profile_of(Path(check["file_path"]).stem)): check["check_name"]
        for check in report["results"]["failed_checks"]
    }
    explained = {(skip["check"], profile) for skip in SKIPS for profile in skip["profiles"]}
    assert not {key: name for key, name in found.items() if key not in explained}
    assert not explained - set(found), "policy.yml has an entry that is not reported any more: remove it"


def profile_of(variant: str) -> str:
    """The profile of a stage's variant; of other stacks their name."""
    stack = VARIANTS[variant][0]
    return PROFILES.get(stack, stack)


def test_every_skip_has_a_reason() -> None:
    assert all(len(skip["reason"]) > 20 for skip in SKIPS)
    checks = [skip["check"] for skip in SKIPS]
    assert len(checks) == len(set(checks))
