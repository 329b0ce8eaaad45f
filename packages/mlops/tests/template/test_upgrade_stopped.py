"""`mlops upgrade` that conflicts, is killed or fails: it can be undone, and a second run goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlops.core.errors import InputError, MachineError
from mlops.template.origin import Migration, migrate

from .conftest import commit, git, run, texts, write


def test_conflicts_are_left_to_git_and_a_second_run_goes_on(project: Path, template: Path) -> None:
    # given the same line changed by both
    write(project, {"infra/stage.py": "SIZE = 3\n\n\n\nREGION = 'b'\n"})
    commit(project)
    assert run(project, template, dry_run=True).conflicts == ("infra/stage.py",)

    # when
    result = run(project, template)

    # then it is an ordinary conflict
    assert (result.exit_code, result.conflicts) == (1, ("infra/stage.py",))
    assert git(project, "status", "--porcelain", "infra") == "UU infra/stage.py"
    assert "<<<<<<< HEAD\nSIZE = 3\n=======\nSIZE = 2\n>>>>>>> " in (project / "infra/stage.py").read_text()
    assert "`git merge --abort`" in texts(result)
    # and a second run without a resolution names it again
    again = run(project, template)
    assert (again.exit_code, again.conflicts) == (1, ("infra/stage.py",))
    # when it is resolved
    write(project, {"infra/stage.py": "SIZE = 4\n\n\n\nREGION = 'b'\n"})
    git(project, "add", "infra/stage.py")
    final = run(project, template)

    assert final.status == "upgraded"
    assert (project / "infra/stage.py").read_text() == "SIZE = 4\n\n\n\nREGION = 'b'\n"
    assert git(project, "log", "-1", "--format=%P").split()[1] == git(template, "rev-parse", "v1.1.0")
    assert run(project, template).status == "current"


def test_conflicts_that_a_person_has_committed_are_finished(project: Path, template: Path) -> None:
    write(project, {"infra/stage.py": "SIZE = 3\n\n\n\nREGION = 'a'\n"})
    commit(project)
    run(project, template)
    write(project, {"infra/stage.py": "SIZE = 4\n\n\n\nREGION = 'a'\n"})
    commit(project, "Merge")
    write(project, {"notes.txt": "mine\n"})
    with pytest.raises(InputError, match="not finished, and there are uncommitted changes"):
        run(project, template)
    (project / "notes.txt").unlink()
    seen = []

    result = run(project, template, finish=lambda _, before: seen.append(before) or ())

    assert (result.status, seen) == ("upgraded", ["1.0.0"])
    assert git(project, "log", "-1", "--format=%s") == "Merge"


def test_a_merge_that_was_aborted_is_forgotten(project: Path, template: Path) -> None:
    write(project, {"infra/stage.py": "SIZE = 3\n\n\n\nREGION = 'a'\n"})
    commit(project)
    run(project, template)
    git(project, "merge", "--abort")
    assert git(project, "status", "--porcelain") == ""

    assert run(project, template).conflicts == ("infra/stage.py",)


def test_the_new_versions_migrations_run_before_the_commit(project: Path, template: Path) -> None:
    def rename(root: Path) -> Sequence[str]:
        (root / "project.yml").write_text((root / "project.yml").read_text() + "# migrated\n")
        return ["project.yml: a comment"]

    migrations = [Migration(version, rename) for version in ("1.1.0", "1.0.0")]

    result = run(project, template, finish=lambda root, before: migrate(root, before, migrations))

    assert "1.1.0: project.yml: a comment" in result.done
    assert git(project, "show", "HEAD:project.yml").count("# migrated") == 1
    assert git(project, "status", "--porcelain") == ""


def test_migrations_run_in_the_order_of_versions_after_the_former_one(tmp_path: Path) -> None:
    migrations = [Migration(version, lambda _: ["done"]) for version in ("1.10.0", "1.9.0", "1.0.0", "1.1.0")]

    assert migrate(tmp_path, "1.1.0", migrations) == ["1.9.0: done", "1.10.0: done"]


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from mlops.template.upgrade import upgrade

def finish(root, before):
    (root / "README.md").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

upgrade(Path(sys.argv[1]), to=None, source=sys.argv[2], dry_run=False, finish=finish)
"""


def test_a_killed_run_goes_on(project: Path, template: Path) -> None:
    # given a run that was killed after the merge
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(project), str(template)], check=False)
    assert done.returncode < 0
    assert git(project, "rev-parse", "MERGE_HEAD") == git(template, "rev-parse", "v1.1.0")
    with pytest.raises(InputError, match=r"an upgrade to 1\.1\.0 is in progress"):
        run(project, template, dry_run=True)

    result = run(project, template)

    assert result.status == "upgraded"
    assert run(project, template).status == "current"


def test_a_killed_run_can_be_undone(project: Path, template: Path) -> None:
    tree = git(project, "rev-parse", "HEAD^{tree}")
    subprocess.run([sys.executable, "-c", INTERRUPTED, str(project), str(template)], check=False)

    git(project, "reset", "--quiet", "--hard")

    assert git(project, "rev-parse", "HEAD^{tree}") == tree
    assert git(project, "status", "--porcelain") == ""
    assert run(project, template).status == "upgraded"


def test_a_failure_of_the_new_version_can_be_corrected_and_goes_on(project: Path, template: Path) -> None:
    def fail(root: Path, before: str) -> Sequence[str]:
        raise MachineError("the new version could not finish the upgrade")

    with pytest.raises(MachineError):
        run(project, template, finish=fail)

    assert run(project, template).status == "upgraded"
