"""The examples' tables: the same bytes for a seed, on every Python; what each says of itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.init.example import examples_of
from mlops.settings.project import load_project

ROOT = Path(__file__).parents[4]
EXAMPLES = examples_of(load_project(ROOT))
# Made of nothing but Python's own random numbers.
MULTICLASS_SHA256 = "68c7b2042433f3693b0683f73aeefc5989394b8e275ba663740060e487935e24"


def generated(name: str, folder: Path) -> bytes:
    file = folder / f"{name}.csv"
    generator = ROOT / "examples" / name / EXAMPLES[name].generator
    subprocess.run([sys.executable, str(generator), "--out", str(file)], check=True, capture_output=True)
    return file.read_bytes()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_generator_writes_the_same_bytes_again_and_the_columns_that_the_example_names(name: str, tmp_path: Path):
    content = generated(name, tmp_path)
    example = EXAMPLES[name]

    header = content.split(b"\n", 1)[0].decode().split(",")
    assert content == generated(name, tmp_path)
    assert {each for each in (example.target, example.id, example.time, *example.slices) if each} <= set(header)


def test_the_table_of_several_classes_is_the_same_on_every_python(tmp_path: Path):
    assert hashlib.sha256(generated("multiclass", tmp_path)).hexdigest() == MULTICLASS_SHA256


def test_the_list_says_what_each_is_in_one_line():
    command = [sys.executable, "-m", "mlops", "--project", str(ROOT), "init", "--list"]
    shown = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout

    titles = {each["name"]: each["title"] for each in json.loads(shown)["examples"]}

    assert set(titles) == set(EXAMPLES) >= {"multiclass", "regression"}
    assert [title for title in titles.values() if "\n" in title or len(title) > 100] == []
