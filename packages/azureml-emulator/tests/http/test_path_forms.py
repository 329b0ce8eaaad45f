"""No spelling of a path changes what is registered, or leaves the storage, on any route that the emulator has."""

from __future__ import annotations

import http.client
import json
import re
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from azureml_emulator.app import Emulator
from azureml_emulator.kernel.errors import EmulatorError
from azureml_emulator.kernel.names import collating_form, relative_path
from azureml_emulator.kernel.resource_id import ResourcePath, Scope
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Resource
from azureml_emulator.storage.content_digest import content_digest
from azureml_emulator.testing import PATIENCE_SECONDS

NOT_MODELLED = 501
SERVER_ERROR = 500
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
# The router answers these ahead of the table of routes.
SCORING = "/endpoints/{g}/{endpoint}/{rest:path}"


@pytest.fixture(scope="module")
def forms(module_of: Any) -> Any:
    return module_of(Path(__file__).with_name("path_forms.py"))


@pytest.fixture
def parts(tmp_path: Path) -> Generator[Emulator]:
    """The parts of an emulator that serves nothing."""
    (tmp_path / "state").mkdir()
    made = Emulator(Settings(state=tmp_path / "state"), "https://127.0.0.1:1")
    yield made
    made.processes.close()
    made.store.close()


class Attacker:
    """Sends raw targets with every right that a user has; keeps the connection."""

    def __init__(self, emulator: Any) -> None:
        address = urlsplit(emulator.base_url)
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=emulator.trust(), timeout=PATIENCE_SECONDS
        )
        self._headers = {"Authorization": f"Bearer {emulator.token()}", "x-ms-blob-type": "BlockBlob"}

    def send(self, method: str, target: str, body: bytes = b'{"properties": {}}') -> tuple[int, bytes]:
        try:
            self._connection.request(method, target, body, self._headers)
            reply = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()
            self._connection.request(method, target, body, self._headers)
            reply = self._connection.getresponse()
        return reply.status, reply.read()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def attacker(emulator: Any) -> Generator[Attacker]:
    made = Attacker(emulator)
    yield made
    made.close()


@pytest.fixture
def registered(http: Any, workspace: str, emulator: Any) -> dict[str, Path]:
    """A model, uploaded code, uploaded data and a build context: by kind, the paths of their files."""
    store = http.get(f"{workspace}/datastores/workspaceblobstore").json()["properties"]
    sas = http.post(f"{workspace}/datastores/workspaceblobstore/listSecrets", json={}).json()["sasToken"]
    account, container = store["accountName"].rstrip("?").rpartition("/")[2], store["containerName"]
    name = f"kept-{uuid.uuid4().hex[:8]}"
    blobs = emulator.settings.state / "blobs"

    def upload(address: str, signature: str) -> None:
        reply = http.put(f"{address}?{signature}", content=b"kept", headers={"x-ms-blob-type": "BlockBlob"})
        assert reply.status_code == 201, reply.text

    uploads = f"LocalUpload/{name}"
    for folder in ("data", "context", "source"):
        upload(f"/{account}/{container}/{uploads}/{folder}/a.txt", sas)
    paths = f"azureml://datastores/workspaceblobstore/paths/{uploads}"
    pending = http.post(f"{workspace}/codes/{name}/versions/1/startPendingUpload", json={}).json()
    code_sas = pending["blobReferenceForConsumption"]["credential"]["sasUri"]
    code = urlsplit(code_sas)
    upload(f"{code.path}/a.txt", code.query)
    context = f"{emulator.base_url}/{account}/{container}/{uploads}/context/"
    sent: dict[str, dict[str, Any]] = {
        "data": {"dataUri": f"{paths}/data/", "dataType": "uri_folder"},
        "codes": {"codeUri": f"{emulator.base_url}{code.path}"},
        "environments": {"build": {"contextUri": context, "dockerfilePath": "Dockerfile"}},
        "models": {"modelUri": f"{paths}/source/a.txt", "modelType": "custom_model"},
    }
    for kind, properties in sent.items():
        reply = http.put(f"{workspace}/{kind}/{name}/versions/1", json={"properties": properties})
        assert reply.is_success, reply.text
    model = f"azureml-registered/models/{name}/versions/1/a.txt"
    return {
        "models": blobs / account / container / model,
        "data": blobs / account / container / uploads / "data" / "a.txt",
        "environments": blobs / account / container / uploads / "context" / "a.txt",
        "codes": blobs / code.path.lstrip("/") / "a.txt",
        "sas": Path(sas),
        "code sas": Path(code.query),
    }


@pytest.mark.parametrize("kind", ["models", "data", "environments", "codes"])
def test_what_is_registered_cannot_be_written_or_deleted_under_any_spelling(
    emulator: Any, attacker: Attacker, registered: dict[str, Path], forms: Any, kind: str
) -> None:
    # given the file of a registered version, and a signature of its container
    file, blobs = registered[kind], emulator.settings.state / "blobs"
    account, container, *rest = file.relative_to(blobs).parts
    signature = registered["code sas" if kind == "codes" else "sas"]
    # when it is written and deleted under every spelling of its name
    for form in forms.spellings("/".join(rest)):
        for method in ("PUT", "DELETE"):
            status, answer = attacker.send(method, f"/{account}/{container}/{form}?{signature}", b"evil")
            assert status < SERVER_ERROR, (method, form, answer)
            # then it is what it was
            assert file.read_bytes() == b"kept", (method, form, status)
    # and its own name is refused by its reason, also for blocks
    for query in ("", "comp=block&blockid=YQ==&", "comp=blocklist&"):
        status, answer = attacker.send("PUT", f"/{account}/{container}/{'/'.join(rest)}?{query}{signature}", b"evil")
        assert (status, b"BlobImmutableDueToPolicy" in answer) == (409, True), answer


@pytest.mark.parametrize("share", [8, pytest.param(1, marks=pytest.mark.long)])
def test_no_route_lets_a_path_leave_its_folder(
    emulator: Any, attacker: Attacker, registered: dict[str, Path], forms: Any, parts: Emulator, share: int
) -> None:
    # given every route that the application has, and the files that no route may change
    state = emulator.settings.state
    secret = json.loads((state / "secrets.json").read_text())
    kept = [registered[kind].parent for kind in ("models", "data", "environments", "codes")]
    before = [content_digest(folder) for folder in kept]
    top, accounts = _names(state), _names(state / "blobs")
    account, container, *rest = registered["models"].relative_to(state / "blobs").parts
    known = {"s": emulator.settings.subscription, "g": emulator.settings.resource_group, "account": account}
    known |= {"w": emulator.settings.workspace, "container": container}
    paths = [*forms.spellings("/".join(rest)), *forms.climbs("secrets.json")]
    # when each of their parameters is each form of a path, or one in `share` of them, others for each parameter
    tried = 0
    for path, methods in _routes(parts):
        for parameter in _PARAMETER.findall(path):
            for number, form in enumerate(paths[tried % share :: share]):
                target = _target(path, {**known, parameter: form})
                method = methods[number % len(methods)]
                status, answer = attacker.send(method, f"{target}?{registered['sas']}")
                tried += 1
                # then nothing fails, nothing tells a secret,
                assert status < SERVER_ERROR or status in {NOT_MODELLED, 503}, (method, target, answer)
                assert not any(str(value).encode() in answer for value in secret.values()), (method, target)
                assert b"root:" not in answer, (method, target)
    assert tried > 1_000 / share
    # and nothing that is registered, and nothing outside of storage, has changed
    assert [content_digest(folder) for folder in kept] == before
    assert _names(state) - {"mlflow", "mlflow.log"} == top - {"mlflow", "mlflow.log"}
    assert {name for name in _names(state / "blobs") - accounts if not name.startswith("emu")} == set()


@pytest.mark.parametrize(
    "reference",
    [
        "azureml://jobs/made/outputs/model/paths/FORM",
        "azureml://jobs/made/outputs/model/FORM",
        "azureml://jobs/made/outputs/artifacts/paths/FORM",
        "runs:/made/FORM",
        "mlflow-artifacts:/FORM",
        "azureml://datastores/workspaceblobstore/paths/FORM",
        "azureml://datastores/workspaceblobstore/FORM",
        "https://127.0.0.1:1/ACCOUNT/CONTAINER/FORM",
        "https://127.0.0.1:1/ACCOUNT/FORM",
        "https://127.0.0.1:1/FORM",
    ],
)
def test_no_reference_leads_out_of_storage(parts: Emulator, forms: Any, reference: str) -> None:
    # given a job with an output, and a secret beside the storage
    settings = parts.settings
    scope = Scope(settings.subscription, settings.resource_group, "workspaces", settings.workspace)
    parts.scopes.open()
    key = ResourcePath(scope, (("jobs", "made"),))
    internal = {"outputs": {"model": f"{scope.storage_account}/{scope.default_container}/azureml/made/model"}}
    document = {"id": key.id, "name": "made", "properties": {"status": "Completed"}}
    parts.store.put(Resource(key.key, "jobs", key.parent.key, document, internal))
    reference = reference.replace("ACCOUNT", scope.storage_account).replace("CONTAINER", scope.default_container)
    inside = [(settings.state / name).resolve() for name in ("blobs", "mlflow/artifacts")]
    # when a reference has each form of a path, encoded and decoded
    for form in [*forms.climbs("secrets.json"), *forms.spellings("azureml/made/model")]:
        for spelling in (form, unquote(form, errors="replace")):
            try:
                found = parts.locator.path(reference.replace("FORM", spelling), scope)
            except EmulatorError:
                continue
            # then it is refused, or what it refers to is in storage
            assert any(found.resolve().is_relative_to(folder) for folder in inside), (spelling, found)


@pytest.mark.parametrize(
    "name",
    ["cr\u0435dit", "credit\n", "credit\u200b", "\uff43redit", "cré", "a\u0660", "../x", "a b", "", "-a"],
    ids=["cyrillic", "line break", "zero width", "full width", "accent", "digit", "climb", "space", "empty", "dash"],
)
@pytest.mark.parametrize("kind", ["models/{}/versions/1", "models/m/versions/{}", "jobs/{}", "data/{}/versions/1"])
def test_names_are_ascii(http: Any, workspace: str, kind: str, name: str) -> None:
    reply = http.put(f"{workspace}/{kind.format(quote(name, safe=''))}", json={"properties": {}})
    assert reply.status_code in {400, 404, 501}, reply.text
    assert reply.json()["error"]["code"]


def test_spellings_that_some_reader_takes_for_one_name_collate() -> None:
    same = ["a/b", "./a//b", "A/b/", "a\\b", "%61/b", "a./b ", "\uff41/b", "%2561/b"]
    assert {collating_form(name) for name in same} == {("a", "b")}
    assert collating_form("a-b") != collating_form("a/b")
    assert relative_path("/a//./b/").as_posix() == "a/b"


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _routes(parts: Emulator) -> Iterator[tuple[str, list[str]]]:
    for route in parts.routes():
        yield route.path, sorted((route.methods or {"GET"}) - {"HEAD"})
    yield SCORING, ["POST", "GET", "PUT"]


def _target(path: str, values: dict[str, str]) -> str:
    return _PARAMETER.sub(lambda match: values.get(match[1], "x"), path)
