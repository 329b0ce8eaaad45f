"""What Dockerfiles mean: variables, folders, commands, files, and what is refused by name."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import pytest

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.serving.containers.container import Mounts, command_on_this_machine, image_of
from azureml_emulator.serving.containers.dockerfile import read_image
from azureml_emulator.serving.containers.files import Places, copy_files
from azureml_emulator.serving.containers.words import expand

PATH = {"PATH": "/usr/bin"}
STAGES = """\
# syntax=docker/dockerfile:1
ARG TAG=3.11
FROM python:$TAG-slim AS base
ARG PORT=8080
ENV PORT=${PORT:-1} HOME_OF="my app" \\
    PATH=/opt/venv/bin:$PATH
WORKDIR /srv
RUN --mount=type=cache,target=/root/.cache pip install \\
    granian
FROM golang:1 AS unused
RUN go build
FROM base
WORKDIR app
COPY --chown=1000 main.py settings/*.json ./
USER nobody
EXPOSE ${PORT}
ENTRYPOINT ["python", "-u"]
CMD ["main.py", "--port", "$PORT"]
"""


def test_the_last_stage_has_what_it_builds_on() -> None:
    image = read_image(STAGES, PATH)

    assert image.base == "python:3.11-slim"
    assert image.variables == {"PORT": "8080", "HOME_OF": "my app", "PATH": "/opt/venv/bin:/usr/bin"}
    assert image.folder == PurePosixPath("/srv/app")
    # Docker replaces no variables in the JSON form.
    assert image.command == ("python", "-u", "main.py", "--port", "$PORT")
    assert [line.split(": ")[-1] for line in image.not_done] == [
        "not pulled; programs are those of this machine",
        "not run",
        "the process runs as the user of the emulator",
    ]
    assert image.not_done[1].startswith("line 8: RUN --mount=type=cache,target=/root/.cache pip install granian")


@pytest.mark.parametrize(
    ("word", "meant"),
    {
        "plain": ("a b", "a b"),
        "a variable": ("$A-${A}", "1-1"),
        "an unset one": ("x${C}y$C", "xy"),
        "a default": ("${C:-d} ${EMPTY:-d} ${EMPTY-d} ${A:-d}", "d d  1"),
        "a default with a variable": ("${C:-${A}${C:-2}}", "12"),
        "an alternative": ("${A:+yes}${C:+no}${EMPTY:+no}${EMPTY+yes}", "yesyes"),
        "single quotes": ("'$A \\n'", "$A \\n"),
        "double quotes": ('"$A \\" \\n"x', '1 " \\nx'),
        "escapes": ("\\$A\\ b", "$A b"),
        "a lone dollar": ("5$ $", "5$ $"),
    }.values(),
)
def test_words_mean_what_docker_means(word: str, meant: str) -> None:
    assert expand(word, {"A": "1", "EMPTY": ""}) == meant


@pytest.mark.parametrize(
    ("dockerfile", "named"),
    {
        "nothing": ("", "cannot be read"),
        "no FROM": ("CMD x", "Line 1 .*CMD stands before"),
        "unknown instruction": ("FROM a\nINSTALL b\nCMD x", "Line 2 .*INSTALL b.*unknown"),
        "ONBUILD": ("FROM a\nONBUILD RUN b\nCMD x", "Line 2 .*ONBUILD.*built on this one"),
        "an image without a name": ("ARG BASE\nFROM $BASE\nCMD x", "Line 2 .*the image has no name"),
        "a download": ("FROM a\nADD https://x.example/y /y\nCMD x", "Line 2 .*nothing is downloaded"),
        "a repository": ("FROM a\nADD git@x.example:y.git /y\nCMD x", "Line 2 .*nothing is downloaded"),
        "a substitution of bash": ("FROM a\nENV B=${A%x}\nCMD x", r"Line 2 .*\$\{A%x\}"),
        "no command": ("FROM vendor/server:1", "neither CMD nor ENTRYPOINT.*vendor/server:1"),
        "a cleared command": ("FROM a\nCMD x\nENTRYPOINT []", "neither CMD nor ENTRYPOINT"),
    }.values(),
)
def test_what_is_not_supported_is_refused_by_name(dockerfile: str, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        image_of(dockerfile, "/usr/bin")


def test_files_are_copied_as_docker_copies_them(tmp_path: Path) -> None:
    context, root = tmp_path / "context", tmp_path / "root"
    (context / "app" / "deep").mkdir(parents=True)
    (context / "app" / "main.py").write_text("main")
    (context / "app" / "deep" / "x.txt").write_text("x")
    (context / "start.sh").write_text("start")
    image = read_image(
        "FROM a AS build\nCOPY app /build\nRUN make\nFROM b\nWORKDIR /srv\nCOPY app .\nCOPY start.sh /bin/run\n"
        "COPY app/*.py start.sh /files/\nCOPY --from=build /build/ /again\nCOPY --from=build /made /made\n"
        "COPY --from=vendor/uv:1 /uv /bin/\nCOPY <<EOF /etc/app.conf\nport=1\nEOF\nCMD x",
        PATH,
    )

    copied = copy_files(image, context, root)

    assert (root / "srv/deep/x.txt").read_text() == "x"
    assert (root / "bin/run").read_text() == "start"
    assert sorted(path.name for path in (root / "files").iterdir()) == ["main.py", "start.sh"]
    assert (root / "again/main.py").read_text() == "main"
    assert (root / "etc/app.conf").read_text() == "port=1\n"
    assert not (root / "made").exists()
    assert image.not_done[-1].endswith("not copied; the image is not pulled")
    assert [line.split(": ")[-1] for line in copied.not_done] == ["/made is not copied; a RUN or the image has it"]
    assert PurePosixPath("/bin/run") in copied.places
    assert PurePosixPath("/bin") not in copied.places


@pytest.mark.parametrize(
    "copied",
    {
        "into a folder": "WORKDIR /src\nCOPY app.py ./",
        "with all of the context": "COPY . /src",
        "by a stage in between": "COPY app.py /tmp/\nFROM a AS c\nCOPY --from=b /tmp/*.py /src/",
    }.values(),
)
def test_files_of_another_stage_are_found_wherever_its_copy_put_them(tmp_path: Path, copied: str) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "app.py").write_text("app")
    last = "c" if "AS c" in copied else "b"
    image = read_image(f"FROM a AS B\n{copied}\nFROM a\nCOPY --from={last} /src/app.py /opt/x.py\nCMD x", PATH)

    found = copy_files(image, tmp_path / "context", tmp_path / "root")

    assert (tmp_path / "root/opt/x.py").read_text() == "app"
    assert not found.not_done
    # The files of the other stage itself are no part of the image, and do not stay.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["context", "root"]
    assert not (tmp_path / "root/src").exists()


def test_here_documents_are_written_as_docker_writes_them(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "app.py").write_text("app")
    image = read_image(
        'FROM a\nENV X=1\nCOPY --chmod=644 app.py <<-"A" <<B /d/\n\tkept $X\nA\n\tgiven "$X" \\$X\nB\nCMD x',
        PATH,
    )

    copy_files(image, tmp_path / "context", tmp_path / "root")

    files = {path.name: path.read_text() for path in (tmp_path / "root/d").iterdir()}
    assert files == {"app.py": "app", "A": "kept $X\n", "B": '\tgiven "1" $X\n'}


@pytest.mark.parametrize("before", ["", "# syntax=docker/dockerfile:1\r\n", "\ufeff"])
def test_the_escape_directive_chooses_the_escape_character(before: str) -> None:
    image = read_image(f"{before}# Escape = `\r\nFROM a\r\nENV P=C:\\dir Q=a`$P\r\nCMD run `\r\n  now\r\n", PATH)

    assert (image.variables["P"], image.variables["Q"]) == ("C:\\dir", "a$P")
    assert image.command[-1].split() == ["run", "now"]


def test_a_comment_ends_the_directives() -> None:
    assert read_image("# a comment\n# escape=`\nFROM a\nENV P=a\\b\nCMD x", PATH).variables["P"] == "ab"


def test_a_command_that_is_almost_json_is_named_in_the_log() -> None:
    image = read_image("FROM a\nCMD ['python', 'app.py']", PATH)

    assert image.command == ("/bin/sh", "-c", "['python', 'app.py']")
    assert "line 2: CMD ['python', 'app.py']: a shell runs it, because it is not JSON" in image.not_done[-1]


@pytest.mark.parametrize("source", ["missing.py", "../secret", "*.md", "link"])
def test_nothing_outside_the_build_context_is_copied(tmp_path: Path, source: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "link").symlink_to(tmp_path / "secret")
    image = read_image(f"FROM a\nCOPY {source} /\nCMD x", PATH)

    with pytest.raises(BadRequest, match="not in the build context"):
        copy_files(image, tmp_path / "context", tmp_path / "root")


def test_paths_of_the_container_are_found_in_words() -> None:
    places = Places({PurePosixPath("/app"): Path("/here"), PurePosixPath("/app/models"): Path("/there")})

    assert places.on_this_machine("/app") == "/here"
    assert places.on_this_machine("--path=/app/x:/app/models/1") == "--path=/here/x:/there/1"
    assert (
        places.on_this_machine("cd '/app' && ./run /apple /x/app /app.d") == "cd '/here' && ./run /apple /x/app /app.d"
    )


def test_programs_are_those_of_this_machine(tmp_path: Path) -> None:
    mounts = Mounts(tmp_path / "root", tmp_path / "code", tmp_path / "models", "/srv/models")
    places = mounts.places(["/app"])

    def command(line: str) -> list[str]:
        return command_on_this_machine(
            image_of(f"FROM a\nCMD {line}", "/usr/bin"), places, str(Path(sys.executable).parent)
        )

    assert command('["/opt/venv/bin/python3.9", "/app/x.py"]') == [sys.executable, f"{tmp_path}/root/app/x.py"]
    assert command('["/opt/venv/bin/uvicorn", "x:y"]')[0] == str(Path(sys.executable).with_name("uvicorn"))
    assert command('["/app/run", "/srv/models/m/1"]') == [f"{tmp_path}/root/app/run", f"{tmp_path}/models/m/1"]
    assert command("serve /var/azureml-app/azureml-models") == ["/bin/sh", "-c", f"serve {tmp_path}/models"]
