import importlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlops.cli.command_line import COMMANDS, SECTIONS, run
from model_package.schema_file import read_schema_file

ROOT = Path(__file__).parents[4]
HEAVY = ("azure", "azureml", "mlflow", "rich", "pydantic", "ruamel", "polars", "numpy", "requests")
# What the command's own modules may add to its library.
HELP_FACTOR = 4
# Without these capabilities root, too, may read only what a file's mode lets it read.
OBEY_MODES = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


def mlops(*arguments: str, cwd: Path = ROOT, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "mlops", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def processor_seconds() -> float:
    """What this process's children have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def imported_by(*arguments: str, cwd: Path = ROOT) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mlops", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    return set(re.findall(r"^import time:.*\|\s*(\S+)$", done.stderr, flags=re.MULTILINE))


def test_help_imports_nothing_heavy() -> None:
    modules = imported_by("--help")

    assert "click" in modules
    assert not {name for name in modules if name.partition(".")[0] in HEAVY}


def test_help_is_fast() -> None:
    # Of the processor, and beside the library that it cannot do without, since others share the machine.
    begun = processor_seconds()
    subprocess.run([sys.executable, "-c", "import click"], check=True)
    imported = processor_seconds()

    assert mlops("--help").returncode == 0
    assert processor_seconds() - imported < HELP_FACTOR * (imported - begun)


def test_stopping_the_workspace_is_announced_before_it_takes_its_time(tmp_path: Path) -> None:
    for name in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / name, tmp_path)

    done = mlops("down", cwd=tmp_path)

    assert done.stderr.startswith("stopping the workspace on this machine …")
    assert "No emulator is running" in done.stdout


def test_check_imports_nothing_of_the_sdk() -> None:
    modules = imported_by("check")

    assert "mlops.checks" in modules
    assert not {name for name in modules if name.partition(".")[0] in {"azure", "azureml", "mlflow", "rich"}}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    done = mlops(name, "--help")

    assert done.returncode == 0
    assert f"mlops {name}" in done.stdout.split("Examples:")[1]
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


def test_an_option_of_mlops_after_the_command_says_where_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--project", "x"]) == 2

    assert "It stands before the command: `mlops --project PATH COMMAND`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("trian", "Did you mean train or retrain?"),
        ("monitr", "Did you mean monitor?"),
        ("xyz", "`mlops --help` lists the commands."),
    ],
)
def test_a_misspelt_command_names_those_like_it(typed: str, advice: str) -> None:
    done = mlops(typed)

    assert done.returncode == 2
    assert f"No such command '{typed}'. {advice}" in done.stderr


def test_every_section_is_a_module_with_its_commands() -> None:
    for name, section in SECTIONS.items():
        module = importlib.import_module(f"mlops.commands.{name}")
        defined = {name.removesuffix("_command") for name in vars(module) if name.endswith("_command")}
        assert set(section.commands) == {each for each in defined if each in COMMANDS}

    files = {file.stem for file in (ROOT / "packages/mlops/src/mlops/commands").glob("*.py")} - {"__init__"}
    assert files == set(SECTIONS)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--version",), 0),
        (("tarin",), 2),
        (("deploy",), 2),
        (("train", "--stage", "test"), 2),
        (("train", "--stage", "dev", "--data", "no-such-file.csv"), 2),
        (("score", "--stage", "dev", "--file", "no-such-file.json"), 2),
        (("--project", "no-such-folder", "status"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    done = mlops(*arguments)

    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if code:
        assert done.stderr.strip()


def test_folder_without_a_project_is_told_with_advice(tmp_path: Path) -> None:
    done = mlops("status", cwd=tmp_path)

    assert done.returncode == 3
    assert "there is no project.yml in" in done.stderr
    assert "--project" in done.stderr


def test_error_with_json_is_one_object_on_standard_output(tmp_path: Path) -> None:
    done = mlops("train", "--stage", "dev", "--json", cwd=tmp_path)

    assert done.returncode == 3
    assert set(json.loads(done.stdout)["error"]) == {"message", "advice", "details"}


def test_reader_that_has_seen_enough_causes_no_noise() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "mlops", "check", "--json"],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)

    assert done.stderr == ""


def test_without_a_login_the_way_in_is_told(tmp_path: Path) -> None:
    # given an identity endpoint that refuses the connection, as the only way to log in
    closed = "http://127.0.0.1:1/token"
    environment = os.environ | {
        "IDENTITY_ENDPOINT": closed,
        "IDENTITY_HEADER": "x",
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "HOME": str(tmp_path),
    }
    # The SDK notes the cloud of an emulator that another test of this process had.
    environment.pop("AZUREML_CURRENT_CLOUD", None)

    data = tmp_path / "data.csv"
    schema = read_schema_file(ROOT / "schema.yml")
    columns = [schema.identifier, *schema.names, schema.target]
    data.write_text("".join(f"{','.join(row)}\n" for row in (columns, ["1"] * len(columns))))

    # when
    done = subprocess.run(
        [sys.executable, "-m", "mlops", "train", "--stage", "dev", "--data", str(data)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    # then
    assert done.returncode == 7
    assert "az login" in done.stderr
    assert "Traceback" not in done.stderr


def test_address_of_a_cloud_where_nothing_answers_is_told_once_with_advice() -> None:
    # given the variables of a workspace that was stopped, one of which the SDK reads when it is imported
    gone = {"ARM_CLOUD_METADATA_URL": "https://127.0.0.1:1/metadata/endpoints", "AZUREML_CURRENT_CLOUD": "Gone"}
    environment = os.environ | gone

    # when
    done = subprocess.run(
        [sys.executable, "-m", "mlops", "status"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    # then
    assert done.returncode == 7
    assert done.stderr.count("nothing answers at https://127.0.0.1:1") == 1
    assert "uv run mlops up" in done.stderr
    assert done.stdout == ""


def test_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "project.yml").touch(mode=0o000)

    done = mlops("status", cwd=tmp_path, before=OBEY_MODES if os.geteuid() == 0 else ())

    assert done.returncode == 8
    assert f"cannot read or write {tmp_path / 'project.yml'}: Permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    # given a file where the state folder has to be
    (tmp_path / "project.yml").write_bytes((ROOT / "project.yml").read_bytes())
    (tmp_path / ".mlops").touch()

    done = mlops("env", cwd=tmp_path)

    assert done.returncode == 8
    assert f"cannot read or write {tmp_path / '.mlops'}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--bad-model", "--to", "dev"), "--bad-model needs every stage"),
        (("--drift", "--to", "staging"), "--drift needs every stage"),
        (("--drift", "--bad-model"), "--bad-model and --drift cannot be combined"),
    ],
)
def test_a_demo_tells_one_story_and_needs_the_whole_way_for_it(words: tuple[str, ...], told: str) -> None:
    done = mlops("demo", *words)

    assert done.returncode == 2
    assert told in done.stderr


# What a pull request could bring, in the file of a stage and in the one that lists the stages.
HOSTILE_FILES = {
    "recursive": b"a: &a [*a]\n",
    "merged into itself": b"a: &a {<<: *a}\n",
    "deep": b"[" * 20_000,
    "bomb": b"a0: &a0 [x]\n"
    + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 10)),
    "UTF-16": "format: 1\n".encode("utf-16"),
    "Latin-1": b"format: 1 # gr\xfcn\n",
    "NUL": b"format: \0\n",
    "binary": bytes(range(256)),
    "digits": b"format: " + b"9" * 5_000,
    "Python tag": b"format: !!python/object/apply:os.system [id]\n",
    "empty": b"",
}


JUDGED_FROM = ("project.yml", "releases/staging.yml")


@pytest.mark.parametrize(
    "path", [*JUDGED_FROM, "schema.yml", "releases/gates.yml", "components/x/component.yml", "uv.lock"]
)
def test_no_file_of_a_pull_request_is_taken_for_a_verdict(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 of `gate` means that a gate blocks: what cannot be read ends with 3, in one sentence, at once."""
    shutil.copytree(ROOT / "releases", tmp_path / "releases", ignore=shutil.ignore_patterns("reports"))
    for each in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / each, tmp_path)
    commit_all(tmp_path)
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    for name, content in HOSTILE_FILES.items():
        # given a commit that brings the file
        file.write_bytes(content)
        commit_all(tmp_path)

        # when
        codes = [run(["--project", str(tmp_path), verb, "--since", "HEAD~1"]) for verb in ("plan", "gate")]
        checked = run(["--project", str(tmp_path), "check"])

        # then a file that they do not read is none of their business, and `check` names it
        told = capsys.readouterr()
        assert codes == ([3, 3] if path in JUDGED_FROM else [0, 0]), (name, told.err)
        assert checked in (0, 1, 3), (name, told.err)
        assert "Traceback" not in told.err, name


def commit_all(folder: Path) -> None:
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "--allow-empty", "-m", "change")):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_a_bug_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a command that does what nobody foresaw
    monkeypatch.setattr("mlops.settings.project.load_project", lambda given: [][given])

    code = run(["--project", str(tmp_path), "plan", "--since", "HEAD"])

    told = capsys.readouterr().err
    assert code == 70
    assert "Traceback" in told
    assert "it is no verdict" in told


def test_a_full_disk_is_told_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a command that writes to a device on which there is never room
    monkeypatch.setattr("mlops.settings.project.load_project", lambda _: Path("/dev/full").write_text("x"))
    monkeypatch.chdir(tmp_path)

    code = run(["--project", str(tmp_path), "plan", "--since", "HEAD"])

    told = capsys.readouterr().err
    assert code == 8
    assert f"no room left on the disk of {tmp_path}" in told
    assert "Free some space" in told
    assert "Traceback" not in told


def test_a_command_that_does_not_start_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ImportError('broken environment')")

    command = [sys.executable, "-c", "import sys; sys.path.insert(0, '.'); from mlops.__main__ import main; main()"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 70
    assert "broken environment" in done.stderr
