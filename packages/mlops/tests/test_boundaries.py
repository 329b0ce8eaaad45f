"""`mlops` and the components never ask whether they talk to the emulator.

Only its four commands know it, and commands/__init__.py: in a new shell it sets the variables that `mlops env` prints,
before a command runs.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MAY_KNOW = {
    "packages/mlops/src/mlops/local/emulator.py",
    "packages/mlops/src/mlops/demo/lifecycle.py",
    "packages/mlops/src/mlops/commands/__init__.py",
    "packages/mlops/src/mlops/commands/local.py",
    # Plays the Azure CLI of a workflow only in a shell that points to a workspace on this machine.
    "packages/mlops/src/mlops/replaying/fake_program.py",
}
# The program itself, what it is recognised by, and the variables that lead to it.
MARKS = re.compile(
    r"emulat|ARM_CLOUD_METADATA_URL|REGISTRY_DISCOVERY_ENDPOINT_URL|IDENTITY_ENDPOINT|IDENTITY_HEADER|"
    r"REQUESTS_CA_BUNDLE|SSL_CERT_FILE|AZUREML_CURRENT_CLOUD|127\.0\.0\.1|localhost|00000000-0000",
    re.IGNORECASE,
)

MODULE = re.compile(r"[a-z_]+(\.[A-Za-z_]+)*")


def python_files() -> list[Path]:
    files = [*(ROOT / "packages/mlops/src/mlops").rglob("*.py"), *(ROOT / "components").rglob("*.py")]
    return [*files, *(ROOT / "endpoints").rglob("*.py"), *(ROOT / "data").rglob("*.py")]


def docstrings(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield id(first.value)


def words_of_code(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name and every text of the code that runs, with its line; no comments, no docstrings."""
    explanations = set(docstrings(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if id(node) not in explanations:
                yield node.lineno, text
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.ImportFrom(module=str() as module):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)


def marks_in(source: str) -> list[tuple[int, str]]:
    return [(line, word) for line, word in words_of_code(ast.parse(source)) if MARKS.search(word)]


def test_only_few_modules_know_that_the_emulator_exists() -> None:
    files = python_files()
    found = {
        f"{file.relative_to(ROOT).as_posix()}:{line}: {word}"
        for file in files
        if file.relative_to(ROOT).as_posix() not in MAY_KNOW
        for line, word in marks_in(file.read_text(encoding="utf-8"))
    }

    assert len(files) > 30
    assert found == set()


def test_nobody_else_imports_those_who_know() -> None:
    knowing = {"mlops.local.emulator", "mlops.demo.lifecycle"}
    importers = {
        file.relative_to(ROOT).as_posix()
        for file in python_files()
        for _, word in words_of_code(ast.parse(file.read_text(encoding="utf-8")))
        if word in knowing or word.rpartition(".")[0] in knowing
    }

    assert importers <= MAY_KNOW


def test_the_emulator_is_only_a_process_to_start() -> None:
    for name in MAY_KNOW:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        imports = [word for _, word in words_of_code(tree) if word.startswith("azureml_emulator.")]
        assert imports == []


@pytest.mark.parametrize(
    "code",
    [
        'import os\nif "ARM_CLOUD_METADATA_URL" in os.environ: pass',
        "from azureml_emulator import settings",
        "is_emulator = True",
        'if stage.subscription_id == "00000000-0000-0000-0000-000000000000": pass',
        'url.startswith("https://127.0.0.1")',
    ],
)
def test_a_branch_on_the_emulator_would_be_found(code: str) -> None:
    assert marks_in(code)


@pytest.mark.parametrize("folder", ["components", "endpoints", "data", "environments", "tests"])
def test_the_forks_code_and_its_tests_import_only_model_package_of_the_project(folder: str) -> None:
    own = {package.name for package in (ROOT / "packages").glob("*/src/*") if package.is_dir()}
    imported = {
        (file.relative_to(ROOT).as_posix(), name)
        for file in (ROOT / folder).rglob("*.py")
        for name in project_modules(ast.parse(file.read_text(encoding="utf-8")), own)
    }

    assert {"mlops", "model_package", "azureml_emulator", "workflow_replay"} <= own
    assert {(file, name) for file, name in imported if name.partition(".")[0] != "model_package"} == set()


@pytest.mark.parametrize(
    "code",
    [
        "import mlops.core",
        "from azureml_emulator.security import certificates",
        'importlib.import_module("workflow_replay.common")',
        'pytest_plugins = ["azureml_emulator.testing"]',
        '[sys.executable, "-m", "azureml_emulator"]',
    ],
)
def test_a_module_of_the_engine_that_is_named_would_be_found(code: str) -> None:
    own = {"mlops", "azureml_emulator", "workflow_replay"}

    assert project_modules(ast.parse(code), own)


def test_the_command_may_be_started_and_documents_may_be_called_after_it() -> None:
    code = 'run([sys.executable, "-m", "mlops", "demo"], header="x-mlops-synthetic", name="mlops-train")'

    assert project_modules(ast.parse(code), {"mlops"}) == set()


def project_modules(tree: ast.Module, own: set[str]) -> set[str]:
    """The modules of the project that code imports, or names in a text; the command, `-m mlops`, is none."""
    imported = {
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for _, word in words_of_code(ast.Module([node], []))
    }
    named = {word for _, word in words_of_code(tree) if MODULE.fullmatch(word)} - {"mlops"}
    return {word for word in imported | named if word.partition(".")[0] in own}
