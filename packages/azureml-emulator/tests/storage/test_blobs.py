"""The blob service through azure-storage-blob, and through a raw socket for clients that misbehave."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.kernel.clock import Clock
from azureml_emulator.security.secret_keys import read_secret_keys
from azureml_emulator.security.signatures import Signatures
from azureml_emulator.testing import wait_for

MEGABYTE = 1024 * 1024
SMALL_BLOCK = MEGABYTE


@pytest.fixture
def storage(http: Any, workspace: str) -> dict[str, str]:
    """The default datastore's account and container, and a signature to write there."""
    datastore = http.get(f"{workspace}/datastores/workspaceblobstore").json()["properties"]
    secret = http.post(f"{workspace}/datastores/workspaceblobstore/listSecrets", json={}).json()["sasToken"]
    account = datastore["accountName"].rstrip("?").rpartition("/")[2]
    return {"account": account, "container": datastore["containerName"], "sas": secret}


@pytest.fixture
def container(emulator: Any, storage: dict[str, str]) -> Generator[Any]:
    """A client of azure-storage-blob with blocks of one megabyte."""
    from azure.storage.blob import ContainerClient

    url = f"{emulator.base_url}/{storage['account']}"
    given: dict[str, Any] = {
        "max_single_put_size": SMALL_BLOCK,
        "max_block_size": SMALL_BLOCK,
        "max_single_get_size": SMALL_BLOCK,
    }
    with ContainerClient(url, storage["container"], credential=storage["sas"], **given) as client:
        yield client


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


def signed(emulator: Any, storage: dict[str, str], permissions: str, lifetime: timedelta) -> str:
    signatures = Signatures(read_secret_keys(emulator.settings.state).storage_key, Clock())
    return signatures.sign(storage["account"], storage["container"], permissions, lifetime)


@pytest.mark.parametrize("size", [0, 1, MEGABYTE, 9 * MEGABYTE + 17], ids=["empty", "byte", "whole", "blocks"])
@pytest.mark.parametrize("checked", [True, False], ids=["md5", "plain"])
def test_uploaded_bytes_are_downloaded(container: Any, prefix: str, size: int, *, checked: bool) -> None:
    content = os.urandom(size)
    blob = container.upload_blob(f"{prefix}/data.bin", content, validate_content=checked and size > 0)
    assert blob.download_blob(max_concurrency=4, validate_content=checked).readall() == content
    assert blob.get_blob_properties().size == size


def test_metadata_is_set_and_changes_the_etag(container: Any, prefix: str) -> None:
    blob = container.upload_blob(f"{prefix}/a", b"a", metadata={"first": "1"})
    before = blob.get_blob_properties()
    assert before.metadata == {"first": "1"}
    blob.set_blob_metadata({"second": "2"})
    after = blob.get_blob_properties()
    assert after.metadata == {"second": "2"}
    assert after.etag != before.etag


def test_overwriting_must_be_requested(container: Any, prefix: str) -> None:
    from azure.core.exceptions import ResourceExistsError

    container.upload_blob(f"{prefix}/a", b"one")
    with pytest.raises(ResourceExistsError):
        container.upload_blob(f"{prefix}/a", b"two")
    assert container.download_blob(f"{prefix}/a").readall() == b"one"
    container.upload_blob(f"{prefix}/a", b"three", overwrite=True)
    assert container.download_blob(f"{prefix}/a").readall() == b"three"


@pytest.mark.parametrize("name", ["a.csv/", "a.csv//", "/a.csv", "b//c"])
def test_a_name_with_an_empty_part_is_another_blob(container: Any, prefix: str, name: str) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    # given two blobs
    for stored in ("a.csv", "b/c"):
        container.upload_blob(f"{prefix}/{stored}", b"x")
    # when a name is asked that leads to the same file
    blob = container.get_blob_client(f"{prefix}/{name}")
    # then it does not exist, as on Azure, and cannot be written over the other
    assert not blob.exists()
    for attempt in (blob.get_blob_properties, blob.download_blob, blob.delete_blob):
        with pytest.raises(ResourceNotFoundError):
            attempt()
    with pytest.raises(HttpResponseError, match="empty part"):
        blob.upload_blob(b"other", overwrite=True)
    assert container.download_blob(f"{prefix}/a.csv").readall() == b"x"


def test_lists_are_paged_and_grouped(container: Any, prefix: str) -> None:
    names = [f"{prefix}/{name}" for name in ("a", "b/1", "b/2", "c", "d/e/1")]
    for name in names:
        container.upload_blob(name, b"x", metadata={"name": "n"})
    pages = container.list_blobs(name_starts_with=f"{prefix}/", include="metadata", results_per_page=2).by_page()
    shown = [[blob.name for blob in page] for page in pages]
    assert [len(page) for page in shown] == [2, 2, 1]
    assert [name for page in shown for name in page] == names
    folded = [entry.name for entry in container.walk_blobs(name_starts_with=f"{prefix}/", delimiter="/")]
    assert sorted(folded) == [f"{prefix}/a", f"{prefix}/b/", f"{prefix}/c", f"{prefix}/d/"]
    listed = next(iter(container.list_blobs(name_starts_with=names[0], include="metadata")))
    assert (listed.metadata, listed.size) == ({"name": "n"}, 1)


def test_deleted_and_missing_blobs(container: Any, prefix: str) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    blob = container.upload_blob(f"{prefix}/a", b"x")
    assert blob.exists()
    blob.delete_blob()
    assert not blob.exists()
    with pytest.raises(ResourceNotFoundError, match="ErrorCode:BlobNotFound"):
        blob.download_blob()


def test_an_unknown_container_is_a_404(http: Any, storage: dict[str, str]) -> None:
    for query in ({"comp": "list", "restype": "container"}, {"restype": "container"}):
        reply = http.get(f"/{storage['account']}/missing", params=query)

        assert (reply.status_code, reply.headers["x-ms-error-code"]) == (404, "ContainerNotFound")


def test_special_characters_in_names(container: Any, prefix: str) -> None:
    for name in ("with space", "per%20cent", "plus+sign", "ümläut", "a.b,c=d", "deep/er/still"):
        container.upload_blob(f"{prefix}/{name}", name.encode())
        assert container.download_blob(f"{prefix}/{name}").readall() == name.encode()


@pytest.mark.parametrize(
    "name",
    ["../escape", "a/../../escape", "%2e%2e/escape", "..%2f..%2fescape"],
    ids=["up", "below", "dots", "slash"],
)
def test_names_that_leave_the_container_are_refused(emulator: Any, storage: dict[str, str], name: str) -> None:
    # given a request of a client that does not normalise paths
    target = f"/{storage['account']}/{storage['container']}/{name}?{storage['sas']}"
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 1\r\n\r\nx"
    with emulator.connect() as stream:
        stream.sendall(head.encode())
        status = stream.recv(4096).split()[1]
    # then it is refused, and nothing lies outside the container
    assert status in {b"400", b"403", b"501"}
    assert not list((emulator.settings.state / "blobs").rglob("escape"))
    assert not (emulator.settings.state / "escape").exists()


def test_a_name_that_is_too_long_for_a_file_is_refused(http: Any, storage: dict[str, str]) -> None:
    address = f"/{storage['account']}/{storage['container']}/{'a' * 256}?{storage['sas']}"
    reply = http.put(address, content=b"x", headers={"x-ms-blob-type": "BlockBlob"})
    assert_storage_error(reply, 400, "InvalidResourceName")


def test_an_interrupted_upload_leaves_nothing(emulator: Any, storage: dict[str, str], prefix: str) -> None:
    target = f"/{storage['account']}/{storage['container']}/{prefix}/cut.bin?{storage['sas']}"
    # when a client announces a megabyte, sends half of it, and disconnects
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: {MEGABYTE}\r\n\r\n"
    with emulator.connect() as stream:
        stream.sendall(head.encode() + b"x" * (MEGABYTE // 2))
    # then there is neither a blob nor a temporary file
    partial = emulator.settings.state / "uploads" / "partial"
    wait_for(lambda: not list(partial.iterdir()))
    assert not list((emulator.settings.state / "blobs").rglob("cut.bin"))


def test_an_interrupted_overwrite_keeps_the_old_bytes(emulator: Any, container: Any, storage: Any, prefix: str) -> None:
    container.upload_blob(f"{prefix}/old.bin", b"old")
    target = f"/{storage['account']}/{storage['container']}/{prefix}/old.bin?{storage['sas']}"
    head = f"PUT {target} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: {MEGABYTE}\r\n\r\n"
    with emulator.connect() as stream:
        stream.sendall(head.encode() + b"new")
    wait_for(lambda: not list((emulator.settings.state / "uploads" / "partial").iterdir()))
    assert container.download_blob(f"{prefix}/old.bin").readall() == b"old"


def test_a_body_that_does_not_match_its_md5_is_refused(http: Any, storage: dict[str, str], prefix: str) -> None:
    reply = http.put(
        f"/{storage['account']}/{storage['container']}/{prefix}/a?{storage['sas']}",
        content=b"body",
        headers={"x-ms-blob-type": "BlockBlob", "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
    )
    assert_storage_error(reply, 400, "Md5Mismatch")


def test_a_body_over_the_limit_is_refused(emulator: Any, storage: dict[str, str], prefix: str) -> None:
    target = f"/{storage['account']}/{storage['container']}/{prefix}/huge?{storage['sas']}"
    head = f"PUT {target} HTTP/1.1\r\nHost: localhost\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: {10**13}\r\n\r\n"
    with emulator.connect() as stream:
        stream.sendall(head.encode())
        assert stream.recv(4096).split()[1] == b"413"


def test_a_body_of_unknown_length_is_refused(http: Any, storage: dict[str, str], prefix: str) -> None:
    reply = http.put(
        f"/{storage['account']}/{storage['container']}/{prefix}/a?{storage['sas']}",
        content=iter([b"a", b"b"]),
        headers={"x-ms-blob-type": "BlockBlob"},
    )
    assert_storage_error(reply, 411, "MissingContentLengthHeader")


def test_an_unknown_block_is_refused(http: Any, storage: dict[str, str], prefix: str) -> None:
    reply = http.put(
        f"/{storage['account']}/{storage['container']}/{prefix}/a?comp=blocklist&{storage['sas']}",
        content=b"<BlockList><Latest>bm9uZQ==</Latest></BlockList>",
    )
    assert_storage_error(reply, 400, "InvalidBlockList")


def test_unsupported_operations_are_501(http: Any, storage: dict[str, str], prefix: str) -> None:
    address = f"/{storage['account']}/{storage['container']}/{prefix}/a"
    append = http.put(f"{address}?{storage['sas']}", headers={"x-ms-blob-type": "AppendBlob"})
    assert_storage_error(append, 501, "NotImplemented")
    assert_storage_error(http.put(f"{address}?comp=lease&{storage['sas']}"), 501, "NotImplemented")


@pytest.mark.parametrize("case", ["none", "forged", "expired", "read only", "of another container"])
def test_signatures_that_do_not_cover_the_request_are_refused(
    emulator: Any, http: Any, storage: dict[str, str], prefix: str, case: str
) -> None:
    hour = timedelta(hours=1)
    other = {**storage, "container": "another"}
    sas, code = {
        "none": ("", "AuthenticationFailed"),
        "forged": (storage["sas"].replace("sp=", "sp=x"), "AuthenticationFailed"),
        "expired": (signed(emulator, storage, "racwdl", -hour), "AuthenticationFailed"),
        "read only": (signed(emulator, storage, "r", hour), "AuthorizationPermissionMismatch"),
        "of another container": (signed(emulator, other, "racwdl", hour), "AuthenticationFailed"),
    }[case]
    reply = http.put(
        f"/{storage['account']}/{storage['container']}/{prefix}/a?{sas}",
        content=b"x",
        headers={"x-ms-blob-type": "BlockBlob", "Authorization": ""},
    )
    assert_storage_error(reply, 401 if case == "none" else 403, code)
    assert not list((emulator.settings.state / "blobs").rglob(f"{prefix}/a"))


def test_one_name_cannot_be_blob_and_folder(container: Any, prefix: str) -> None:
    from azure.core.exceptions import ResourceExistsError

    container.upload_blob(f"{prefix}/a", b"x")
    with pytest.raises(ResourceExistsError, match="cannot store both"):
        container.upload_blob(f"{prefix}/a/b", b"x")
    assert container.download_blob(f"{prefix}/a").readall() == b"x"


def assert_storage_error(reply: Any, status: int, code: str) -> None:
    assert reply.status_code == status, reply.text
    assert reply.headers["x-ms-error-code"] == code
    assert f"<Code>{code}</Code>" in reply.text


def test_the_blobs_are_plain_files(emulator: Any, container: Any, storage: dict[str, str], prefix: str) -> None:
    container.upload_blob(f"{prefix}/folder/a.txt", b"text")
    file: Path = emulator.settings.state / "blobs" / storage["account"] / storage["container"] / prefix / "folder/a.txt"
    assert file.read_bytes() == b"text"
