"""Steps read files of the web: as inputs, as data assets, and where a table names them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.jobs.execution.inputs.located_tables import addresses_of, located_table

pytestmark = pytest.mark.xdist_group("jobs")

SHOW = "ls ${{inputs.x}}; cat ${{inputs.x}}"
SCRIPT = """
import pathlib
def init(): pass
def run(files):
    return [pathlib.Path(file).read_text().strip() for file in files]
"""
_ASSETS = {"api-version": "2023-04-01"}


@pytest.fixture(scope="module")
def server(module_of: Callable[[Path], Any]) -> Generator[Any]:
    with module_of(Path(__file__).parents[2] / "web_server.py").web_server() as running:
        running.files = {"/iris.csv": b"a,b\n1,2\n", "/one.txt": b"one\n", "/two.txt": b"two\n"}
        yield running


def given(uri: str, kind: str = "uri_file", mode: str = "ReadOnlyMount") -> dict[str, Any]:
    return {"x": {"jobInputType": kind, "uri": uri, "mode": mode}}


def test_a_job_reads_a_file_of_the_web(submitter: Any, server: Any) -> None:
    # when two jobs read the same file, as a mount and as a download
    first = submitter.command(SHOW, inputs=given(server.url("/iris.csv")))
    submitter.wait(first, "Completed")
    second = submitter.command(SHOW, inputs=given(server.url("/iris.csv"), mode="Download"))
    submitter.wait(second, "Completed")

    # then both have it under its name, and the log says where it comes from
    for job, says in ((first, "was downloaded: 8 bytes."), (second, "has not changed")):
        log = submitter.log(job)
        assert f"# Input 'x': {server.url('/iris.csv')}" in log
        assert says in log
        assert log.endswith("a,b\n1,2\n")
    assert "/iris.csv\n" in submitter.log(first)


def test_a_folder_has_the_file_and_an_address_is_passed_on(submitter: Any, server: Any) -> None:
    url = server.url("/iris.csv")

    folder = submitter.command("ls ${{inputs.x}}", inputs=given(url, "uri_folder"))
    direct = submitter.command("echo ${{inputs.x}}", inputs=given(server.url("/none.csv"), mode="Direct"))

    submitter.wait(folder, "Completed")
    assert submitter.log(folder).endswith("iris.csv\n")
    submitter.wait(direct, "Completed")
    assert submitter.log(direct).endswith(f"{server.url('/none.csv')}\n")
    assert (server.url("/none.csv"), 404) not in server.asked


def test_a_data_asset_of_the_web_is_read_by_steps_and_trials(submitter: Any, server: Any) -> None:
    # given a data asset whose path is an address of the web
    asset = f"{submitter.workspace}/data/iris-{uuid.uuid4().hex[:8]}/versions/1"
    body = {"properties": {"dataUri": server.url("/iris.csv"), "dataType": "uri_file"}}
    submitter.http.put(asset, params=_ASSETS, json=body).raise_for_status()
    component = submitter.component(SHOW, inputs={"x": {"type": "uri_file"}})
    bound = {"x": {"value": "${{parent.inputs.x}}", "job_input_type": "literal"}}

    # when steps of a pipeline read it, the second one the address itself
    echo = submitter.component("echo ${{inputs.x}}", inputs={"x": {"type": "uri_file"}})
    name = submitter.pipeline(
        {
            "show": {"type": "command", "componentId": component, "inputs": bound},
            "echo": {
                "type": "command",
                "componentId": echo,
                "inputs": {"x": {"uri": asset, "job_input_type": "uri_file", "mode": "Direct"}},
            },
        },
        inputs=given(asset),
    )

    # then they have its rows and its address
    submitter.wait(name, "Completed")
    steps = submitter.steps(name)
    assert submitter.log(steps["show"]["runId"]).endswith("a,b\n1,2\n")
    assert submitter.log(steps["echo"]["runId"]).endswith(f"{server.url('/iris.csv')}\n")


def test_files_that_a_table_names_are_downloaded(submitter: Any, server: Any, scripts: Callable[..., Path]) -> None:
    listing = "".join(f"- file: {server.url(name)}\\n" for name in ("/one.txt", "/two.txt"))
    write = submitter.component(
        f"printf 'type: mltable\\npaths:\\n{listing}' > ${{{{outputs.table}}}}/MLTable",
        outputs={"table": {"type": "mltable"}},
    )
    read = submitter.component(
        "",
        type="parallel",
        inputs={"table": {"type": "mltable"}},
        outputs={"rows": {"type": "uri_file"}},
        input_data="${{inputs.table}}",
        task={
            "type": "run_function",
            "code": submitter.code(scripts(entry=SCRIPT)),
            "entry_script": "entry.py",
            "append_row_to": "${{outputs.rows}}",
        },
    )
    table = {"value": "${{parent.jobs.write.outputs.table}}", "job_input_type": "literal"}
    target = "azureml://datastores/workspaceblobstore/paths/from-the-web/rows.txt"

    name = submitter.pipeline(
        {
            "write": {"type": "command", "componentId": write},
            "read": {
                "type": "parallel",
                "componentId": read,
                "inputs": {"table": table},
                "outputs": {"rows": {"uri": target, "job_output_type": "uri_file"}},
            },
        }
    )
    submitter.wait(name, "Completed")
    show = submitter.command(SHOW, inputs=given(target))

    submitter.wait(show, "Completed")
    assert submitter.log(show).endswith("one\ntwo\n")


def test_a_table_gets_paths_of_this_machine(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.mkdir()
    (table / "MLTable").write_text(
        "paths:\n- file: https://h/a.csv\n- file: ./b.csv\ntransformations: [read_delimited]"
    )

    located = located_table(table, tmp_path / "copy", lambda url: tmp_path / url.rpartition("/")[2])

    assert addresses_of(table) == ["https://h/a.csv"]
    assert addresses_of(located) == []
    assert f"file: {tmp_path / 'a.csv'}" in located.read_text()
    assert f"file: {table / 'b.csv'}" in located.read_text()


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("http://example.com/x.csv", "only https is read"),
        ("https://169.254.169.254/metadata/identity/oauth2/token", "metadata of a cloud"),
        ("https://no-such-host.invalid/x.csv", "register it as a data asset"),
        ("wasbs://datasets@azuremlexamples.blob.core.windows.net/iris.csv", "the storage account 'azuremlexamples'"),
        ("abfss://fs@lake.dfs.core.windows.net/x", "the storage account 'lake'"),
        ("adl://lake.azuredatalakestore.net/x", "the storage account 'lake'"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(submitter: Any, uri: str, says: str) -> None:
    job = submitter.command("cat ${{inputs.x}}", inputs=given(uri))

    message = submitter.wait(job, "Failed")["error"]["error"]["message"]

    assert "The input 'x' of the step" in message
    assert says in message
    assert "Data(path=<local" in message


def test_accounts_of_datastores_are_resolved(submitter: Any) -> None:
    # given a blob datastore of an account, with a file that a job wrote
    store = f"{submitter.workspace}/datastores/public{uuid.uuid4().hex[:8]}"
    body = {
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": "azuremlpublic",
            "containerName": "sets",
            "credentials": {"credentialsType": "None"},
        }
    }
    submitter.http.put(store, params=_ASSETS, json=body).raise_for_status()
    shown = submitter.http.get(store, params=_ASSETS).json()["properties"]["accountName"]
    target = f"azureml://datastores/{store.rpartition('/')[2]}/paths/a b/x.csv"
    write = submitter.component("echo 1 > ${{outputs.x}}", outputs={"x": {"type": "uri_file"}})
    node = {"type": "command", "componentId": write, "outputs": {"x": {"uri": target, "job_output_type": "uri_file"}}}
    submitter.wait(submitter.pipeline({"write": node}), "Completed")

    # when jobs read it by the account's addresses, as the author or as the SDK spells the account
    addresses = [
        "wasbs://sets@azuremlpublic.blob.core.windows.net/a b/x.csv",
        "abfss://sets@azuremlpublic.dfs.core.windows.net/a%20b/x.csv",
        "https://azuremlpublic.blob.core.windows.net/sets/a%20b/x.csv",
        f"wasbs://sets@{shown}.blob.core.windows.net/a b/x.csv",
    ]
    jobs = [submitter.command("cat ${{inputs.x}}", inputs=given(address)) for address in addresses]

    for job in jobs:
        submitter.wait(job, "Completed")
        assert submitter.log(job).endswith("1\n")
