"""Placeholders in a command: optional parts, quotes, words; and which commands need no shell."""

from __future__ import annotations

import subprocess

import pytest

from azureml_emulator.jobs.definitions.command_line import plain_arguments, shell_words, substitute

PRINT = "printf '%s|' "
SUBSTITUTED = {
    "a-word": ("${{inputs.x}}", "a", ["a"]),
    "words-are-split-as-on-azure": ("${{inputs.x}}", "a b", ["a", "b"]),
    "quotes-in-a-value-keep-one-word": ("${{inputs.x}}", "--name 'x y'", ["--name", "x y"]),
    "quotes-around-the-placeholder-keep-one-word": ('"${{inputs.x}}"', "a b", ["a b"]),
    "single-quotes-too": ("'${{inputs.x}}'", "it's", ["it's"]),
    "nothing-in-a-value-is-executed": ("${{inputs.x}}", "; echo hacked", [";", "echo", "hacked"]),
    "nor-between-quotes": ('"${{inputs.x}}"', '"; echo $(id) `id`', ['"; echo $(id) `id`']),
    "an-unbalanced-quote-is-text": ("${{inputs.x}}", "it's", ["it's"]),
    "text-around-it": ("--x=${{inputs.x}}", "1", ["--x=1"]),
}


@pytest.mark.parametrize(("template", "value", "words"), SUBSTITUTED.values(), ids=SUBSTITUTED)
def test_a_shell_sees_these_words(template: str, value: str, words: list[str]) -> None:
    command = substitute(PRINT + template, {"x": value}, {}, frozenset())

    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout

    assert shown.rstrip("|").split("|") == words
    assert shell_words(command)[2:] == words


def test_a_path_is_never_split() -> None:
    command = substitute(
        "cat ${{inputs.x}} ${{outputs.o}}", {"x": "/my state/a"}, {"o": "/my state/o"}, frozenset({"x"})
    )

    assert command == "cat '/my state/a' '/my state/o'"


@pytest.mark.parametrize(
    ("given", "expected"), [({"s": "1"}, "run --seed 1 end"), ({}, "run  end")], ids=["given", "absent"]
)
def test_an_optional_part_needs_its_input(given: dict[str, str], expected: str) -> None:
    assert substitute("run $[[--seed ${{inputs.s}}]] end", given, {}, frozenset()) == expected


PLAIN = {
    "a-script": ("python train.py --x 1", ["python", "train.py", "--x", "1"]),
    "a-module": ("python3 -m pkg.mod a", ["python3", "-m", "pkg.mod", "a"]),
    "quoted-words": ("python t.py 'a b; c' \"d e\"", ["python", "t.py", "a b; c", "d e"]),
    "continued-lines": ("python t.py \\\n  --x 1", ["python", "t.py", "--x", "1"]),
    "a-pipe": ("python t.py | tee x", None),
    "two-commands": ("python a.py && python b.py", None),
    "a-variable": ("python t.py $HOME", None),
    "a-variable-in-quotes": ('python t.py "$HOME"', None),
    "an-assignment": ("A=1 python t.py", None),
    "options-of-python": ("python -u t.py", None),
    "code-in-the-command": ("python -c 'print(1)'", None),
    "another-program": ("echo hello", None),
    "an-unclosed-quote": ("python t.py 'a", None),
}


@pytest.mark.parametrize(("command", "words"), PLAIN.values(), ids=PLAIN)
def test_plain_commands_need_no_shell(command: str, words: list[str] | None) -> None:
    assert plain_arguments(command) == words
