"""Files of the web are downloaded once per version, within limits, and never from where a job has no business."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.settings import WebLimits
from azureml_emulator.storage.web_addresses import check_url, file_name, shown
from azureml_emulator.storage.web_files import WebFiles


@pytest.fixture
def server(module_of: Callable[[Path], Any]) -> Generator[Any]:
    with module_of(Path(__file__).parents[1] / "web_server.py").web_server() as running:
        yield running


@pytest.fixture
def web(tmp_path: Path) -> Callable[..., WebFiles]:
    return lambda **limits: WebFiles(tmp_path / "web", WebLimits(**{"loopback": True, **limits}))


def fetched(files: WebFiles, url: str) -> list[str]:
    """Fetch a file. Returns the lines for the log."""
    notes: list[str] = []
    asyncio.run(files.fetch(url, notes.append))
    return notes


def test_a_file_is_downloaded_once_per_version(web: Callable[..., WebFiles], server: Any) -> None:
    files, url = web(), server.url("/data/rows.csv")
    server.files["/data/rows.csv"] = b"a\n1\n"

    # when it is read twice, changes, and is read again
    assert "was downloaded: 4 bytes" in fetched(files, url)[-1]
    first = files.path(url)
    assert "has not changed" in fetched(files, url)[-1]
    server.files["/data/rows.csv"] = b"a\n1\n2\n"
    fetched(files, url)

    # then each version was sent once, and a job that began with the first still has it
    assert [status for _, status in server.asked] == [200, 304, 200]
    assert (first.name, first.read_bytes()) == ("rows.csv", b"a\n1\n")
    assert files.path(url).read_bytes() == b"a\n1\n2\n"
    assert files.path(url).stat().st_mode & 0o777 == 0o400
    # and the next start deletes it
    files.open()
    assert not first.exists()
    assert files.path(url).is_file()


def test_the_copy_is_used_when_the_server_is_gone(
    web: Callable[..., WebFiles], module_of: Callable[[Path], Any]
) -> None:
    files = web()
    with module_of(Path(__file__).parents[1] / "web_server.py").web_server() as server:
        url = server.url("/rows.csv")
        server.files["/rows.csv"] = b"a\n"
        fetched(files, url)

    assert "cannot be reached" in fetched(files, url)[-1]

    assert files.path(url).read_bytes() == b"a\n"
    with pytest.raises(BadRequest, match=r"cannot be downloaded by this machine: .* register it as a data asset"):
        fetched(files, url.replace("rows", "other"))


def test_limits_of_size_and_time_leave_nothing_behind(
    web: Callable[..., WebFiles], server: Any, tmp_path: Path
) -> None:
    server.files = {"/large": bytes(3_000_000), "/slow": bytes(100)}
    server.stalling = {"/slow"}

    with pytest.raises(BadRequest, match="is larger than 2 MB, the most that the emulator downloads"):
        fetched(web(file_bytes=2_000_000), server.url("/large"))
    with pytest.raises(BadRequest, match=r"no answer came, or it took longer than 0\.3 s"):
        fetched(web(seconds=0.3), server.url("/slow"))
    with pytest.raises(BadRequest, match="no answer came"):
        fetched(web(stall_seconds=0.3), server.url("/slow"))

    assert [path for path in (tmp_path / "web").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "it needs a login, and the emulator sends none"),
        (403, "its server forbids it"),
        (404, "there is no such file; a web server does not list folders"),
        (500, "was answered with 500"),
    ],
)
def test_a_refusal_says_what_to_do(web: Callable[..., WebFiles], server: Any, status: int, says: str) -> None:
    server.refused["/x"] = status

    with pytest.raises(BadRequest, match=says) as refused:
        fetched(web(), server.url("/x?sig=secret"))

    assert "register it as a data asset" in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/metadata/instance",
        "https://169.254.169.254/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//metadata.google.internal/x",
    ],
)
def test_a_redirect_leads_nowhere_else(web: Callable[..., WebFiles], server: Any, target: str) -> None:
    server.redirects["/x"] = target

    with pytest.raises(BadRequest, match="is not read"):
        fetched(web(), server.url("/x"))


def test_redirects_are_followed_and_end(web: Callable[..., WebFiles], server: Any) -> None:
    server.redirects = {"/old": "/new.csv", "/circle": "/circle"}
    server.files["/new.csv"] = b"a\n"
    files = web()

    fetched(files, server.url("/old"))
    assert files.path(server.url("/old")).read_bytes() == b"a\n"
    with pytest.raises(BadRequest, match="redirected more than 5 times"):
        fetched(files, server.url("/circle"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x.csv",
        "ftp://example.com/x.csv",
        "https://user:word@example.com/x.csv",
        "https:///x.csv",
        "https://localhost/x.csv",
        "https://a.localhost/x",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0.0.0.0/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[64:ff9b::a9fe:a9fe]/x",
        "https://[2002:a9fe:a9fe::1]/x",
        "https://[fe80::1]/x",
        "https://169.254.169.254/x",
        "https://0251.0376.0251.0376/x",
        "https://168.63.129.16/x",
        "https://[fd00:ec2::254]/x",
        "https://metadata.google.internal./x",
        "https://example.com:port/x",
    ],
)
def test_an_address_that_is_not_read(url: str) -> None:
    with pytest.raises(BadRequest, match="is not read"):
        check_url(url, loopback=False)


def test_a_name_that_resolves_to_a_machine_of_the_cloud_is_not_connected_to(
    web: Callable[..., WebFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with pytest.raises(BadRequest, match=r"is not read: it leads to 169\.254\.169\.254"):
        fetched(web(), "https://data.example.com/x.csv")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/rows.csv?sig=x", "rows.csv"),
        ("https://h/a%20b.csv", "a b.csv"),
        ("https://h/..%2f..%2fetc%2fpasswd", "passwd"),
        ("https://h/%2e%2e", "data"),
        ("https://h", "data"),
        ("https://h/a%00b.csv", "ab.csv"),
        (f"https://h/{'x' * 500}.csv", f"{'x' * 146}.csv"),
    ],
)
def test_the_name_of_a_file_is_safe(url: str, name: str) -> None:
    assert file_name(url) == name


def test_signatures_are_not_shown() -> None:
    assert shown("https://h/a.csv?sig=secret") == "https://h/a.csv?…"
