"""The README's example runs as it stands, and its tables name modules and extras that are there."""

import contextlib
import io
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_package import write_package

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_package(tmp_path / "model" / "model_package")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - the README is ours

    assert printed.getvalue().startswith("sha256:")
    assert "Estimate(value=" in printed.getvalue()


def test_every_module_that_it_names_is_there_and_every_extra_is_named():
    row = re.compile(r"\| `\w[\w.]*`.*\|.*\| (core|`\w+`) \|$")
    rows = [line.split("|")[1:4] for line in README.splitlines() if row.match(line)]
    names = [name for cells in rows for name in re.findall(r"`([\w.]+)`", cells[0])]

    assert len(names) > 20
    for name in names:
        assert find_spec(f"model_package.{name}"), name
    extras = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {cells[2].strip().strip("`") for cells in rows} == {"core", *extras}
