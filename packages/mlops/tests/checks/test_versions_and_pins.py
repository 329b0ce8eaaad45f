"""Locked versions: what `fix` records and repairs, and what it must leave to people."""

import pytest

from mlops.checks import check_project, fix_project, raise_versions
from mlops.checks.fingerprints import content_digest

COMPONENTS_LOCK, ENVIRONMENTS_LOCK = "components/versions.lock.yml", "environments/versions.lock.yml"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def recorded(path):
    return [line.split(":")[0].strip() for line in path.read_text().splitlines() if "sha256:" in line]


@pytest.mark.parametrize(
    ("changed", "file", "name"),
    [
        ("components/make/make.py", "components/make/component.yml", "`make`"),
        ("components/make/component.yml", "components/make/component.yml", "`make`"),
        ("components/shared/columns.py", "components/make/component.yml", "`make`"),
        ("environments/base.conda.yml", "environments/base.yml", "`base`"),
    ],
    ids=["script", "declaration", "shared code", "conda file"],
)
def test_changed_content_needs_a_new_version(project, changed, file, name):
    # given recorded versions, when shipped content changes
    with (project / changed).open("a") as shipped:
        shipped.write("# another line\n")

    # then only what ships it is named, at its version, and fixing records nothing for it
    (problem,) = check_project(project)
    assert (problem.file, name in problem.message) == (file, True)
    assert "version" in (project / file).read_text().splitlines()[problem.line - 1]
    assert "raise the version" in problem.advice
    assert fix_project(project) == []
    assert check_project(project) == [problem]


def test_a_raised_version_is_recorded_beside_the_old_one(project):
    before = (project / COMPONENTS_LOCK).read_text()
    edit(project / "components/fit/component.yml", "version: 2.1.0", "version: 2.10.0")
    (project / "components/fit/fit.py").write_text("print('better')\n")

    (problem,) = check_project(project)
    assert "version 2.10.0 of `fit` is not recorded" in problem.message
    assert problem.advice == "run: mlops check --fix"
    assert fix_project(project) == [f"{COMPONENTS_LOCK}: recorded version 2.10.0 of fit"]

    assert check_project(project) == []
    assert recorded(project / COMPONENTS_LOCK) == ["2.1.0", "2.10.0", "1.0.0"]
    assert set(before.splitlines()) < set((project / COMPONENTS_LOCK).read_text().splitlines())


def test_after_an_upgrade_what_changed_gets_the_next_free_version(project):
    # given a changed environment, which a component names, and a component whose next version is taken
    edit(project / "components/fit/component.yml", "version: 2.1.0", "version: 2.1.1")
    fix_project(project)
    edit(project / "components/fit/component.yml", "version: 2.1.1", "version: 2.1.0")
    (project / "components/fit/fit.py").write_text("print('better')\n")
    edit(project / "environments/base.conda.yml", "# the matrix", "# matrices")

    raised = raise_versions(project)

    assert "components/fit/component.yml: version 2.1.2, since its content changed" in raised
    assert any(sentence.startswith("environments/base.yml: version ") for sentence in raised)
    assert check_project(project) == []
    assert raise_versions(project) == []


def test_a_component_with_problems_is_not_recorded(project):
    (project / COMPONENTS_LOCK).unlink()
    edit(project / "components/fit/component.yml", "fit.py", "fits.py")

    fix_project(project)

    assert recorded(project / COMPONENTS_LOCK) == ["1.0.0"]


def test_a_new_environment_file_changes_the_component_that_names_it(project):
    edit(project / "environments/base.yml", "version: 1.0.0", "version: 1.1.0")
    fix_project(project)

    problems = check_project(project)

    # `make` names the file, `fit` and the pipeline's own step name the version
    assert [(each.file, each.message) for each in problems] == [
        ("components/fit/component.yml", "the environment `base` has version 1.1.0, not 1.0.0"),
        ("components/make/component.yml", "`make` changed, but its version is still 1.0.0"),
        ("pipelines/train.yml", "the environment `base` has version 1.1.0, not 1.0.0"),
    ]


def test_pins_are_taken_from_the_lock_with_comments_kept(project):
    conda = project / "environments/base.conda.yml"
    edit(conda, "numpy==2.4.6", "numpy==1.0.0")
    edit(conda, "Polars[excel]==2.1.0", "Polars[excel]==1.0.0")

    changes = fix_project(project)

    assert changes == ["environments/base.conda.yml: versions taken from uv.lock"]
    assert "      # the matrix\n      - numpy==2.4.6 # newest\n      - Polars[excel]==2.1.0\n" in conda.read_text()
    assert check_project(project) == []


def test_the_pin_follows_the_python_version_where_the_lock_forks(project):
    edit(project / "environments/base.conda.yml", "python=3.11", "python=3.13")

    fix_project(project)

    assert "numpy==2.5.5" in (project / "environments/base.conda.yml").read_text()


def test_line_endings_caches_and_hidden_files_do_not_count(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "step.py").write_bytes(b"a\nb\n")
    before = content_digest([("code", code)])

    (code / "step.py").write_bytes(b"a\r\nb\r\n")
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "step.cpython-311.pyc").write_bytes(b"1")
    (code / ".DS_Store").write_bytes(b"1")
    assert content_digest([("code", code)]) == before

    (code / "step.py").rename(code / "other.py")
    assert content_digest([("code", code)]) != before


def test_model_package_counts_by_its_version_and_not_by_its_bytes(project):
    # given a component that ships the copy
    edit(project / "components/make/component.yml", "- ../shared", "- ../model_package")
    edit(project / "components/make/component.yml", "version: 1.0.0", "version: 1.1.0")
    (project / "components/make/make.py").write_text("import model_package\n")
    fix_project(project)
    assert check_project(project) == []

    # when a file of the copy changes
    (project / "components/model_package/schema.py").write_text("changed = True\n")

    # then the copy is named, and no version of a component
    assert [problem.file for problem in check_project(project)] == ["components/model_package/schema.py"]
