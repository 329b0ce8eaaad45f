"""What detaching makes of texts: blocks go, sources come, links lead to the repository."""

from __future__ import annotations

import tomllib

import pytest

from mlops.template.detach import GitPin, UnbalancedBlock, WheelPin, detached, sources, without_blocks

NAMES = {name: f"template-{name}" for name in ("model-package", "mlops", "azureml-emulator", "workflow-replay")}
GIT = GitPin("https://git.example.com/team/template", "v1.2.3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n# packages: begin\nb\n# packages: end\nc\n", "a\nc\n"),
        ("a\n  # packages: begin (why)\n  b\n  # packages: end\nc", "a\nc"),
        ("<!-- packages: begin -->\n| row |\n<!-- packages: end -->\n", ""),
        ("# packages: begin\na\n# packages: end\nb\n# packages: begin\nc\n# packages: end", "b\n"),
        ("packages: begin\nno comment\n", "packages: begin\nno comment\n"),
    ],
)
def test_blocks_are_removed_with_their_comments(text: str, expected: str) -> None:
    assert without_blocks(text) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n# packages: begin\nb\n", 2),
        ("# packages: end\n", 1),
        ("# packages: begin\n# packages: begin\n# packages: end\n", 1),
    ],
)
def test_a_block_that_is_not_closed_is_named_by_its_line(text: str, line: int) -> None:
    with pytest.raises(UnbalancedBlock) as caught:
        without_blocks(text)

    assert caught.value.line == line


def test_pyproject_pins_all_four_packages_by_tag() -> None:
    text = '[project]\nname = "x"\n\n# packages: begin\n[tool.uv.workspace]\nmembers = []\n# packages: end\n'

    document = tomllib.loads(detached("pyproject.toml", text, sources(NAMES, GIT), "https://browse"))

    pinned = document["tool"]["uv"]["sources"]
    assert "workspace" not in document["tool"]["uv"]
    assert len(pinned) == 4
    assert pinned["template-mlops"] == {
        "git": GIT.url,
        "tag": "v1.2.3",
        "subdirectory": "packages/mlops",
    }


def test_wheels_are_pinned_by_path() -> None:
    pin = WheelPin({name: f"wheels/{name}.whl" for name in NAMES})

    document = tomllib.loads(sources(NAMES, pin))

    assert document["tool"]["uv"]["sources"]["template-workflow-replay"] == {"path": "wheels/workflow-replay.whl"}


def test_links_into_the_packages_lead_to_the_repository() -> None:
    text = "[emulator](packages/azureml-emulator/README.md) and [again](../packages/mlops/README.md#x)"

    assert detached("README.md", text, "", "https://browse") == (
        "[emulator](https://browse/packages/azureml-emulator/README.md)"
        " and [again](https://browse/packages/mlops/README.md#x)"
    )
