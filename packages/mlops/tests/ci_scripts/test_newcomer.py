"""What the gate takes from README, and what it leaves of this machine."""

from __future__ import annotations

from pathlib import Path

import newcomer
import pytest

ROOT = Path(__file__).parents[4]


def test_the_commands_are_readmes_own() -> None:
    assert newcomer.readme_commands((ROOT / "README.md").read_text()) == ["uv run mlops demo", "uv run pytest"]


@pytest.mark.parametrize(
    "text",
    [
        "no heading",
        "## Two commands\n```\nuv run one\n```\n",
        "## Two commands\n```\nuv run one\nrm -r two\n```\n",
        "## Two commands\n\n## Later\n```\nuv run one\nuv run two\n```\n",
    ],
    ids=["no heading", "one command", "another program", "below another heading"],
)
def test_a_readme_without_its_two_commands_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no code block with 2 commands"):
        newcomer.readme_commands(text)


def test_a_newcomer_has_an_empty_home_and_none_of_our_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/ours")
    monkeypatch.setenv("LANG", "C.UTF-8")

    variables = newcomer.newcomer_environment(tmp_path)

    assert list(Path(variables["HOME"]).iterdir()) == []
    assert variables["PATH"] == f"{tmp_path / 'bin'}:/usr/bin:/bin"
    assert [file.name for file in (tmp_path / "bin").iterdir()] == ["uv"]
    assert "VIRTUAL_ENV" not in variables
    assert variables["LANG"] == "C.UTF-8"
