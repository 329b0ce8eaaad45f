"""A step with the same content as an earlier one is reused; any change makes it run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("jobs")

UPLOAD = {"x-ms-blob-type": "BlockBlob"}


@pytest.fixture
def data(submitter: Any) -> Callable[[str, str], str]:
    """Writes a file into the workspace's storage; its uri."""

    def write(name: str, text: str) -> str:
        store = submitter.http.get(f"{submitter.workspace}/datastores/workspaceblobstore").json()["properties"]
        secrets = submitter.http.post(f"{submitter.workspace}/datastores/workspaceblobstore/listSecrets", json={})
        account = store["accountName"].rstrip("?")
        url = f"https://{account}/{store['containerName']}/{name}?{secrets.json()['sasToken']}"
        submitter.http.put(url, content=text.encode(), headers=UPLOAD).raise_for_status()
        return f"azureml://datastores/workspaceblobstore/paths/{name}"

    return write


class Example:
    """One step that copies a file, submitted repeatedly."""

    def __init__(self, submitter: Any, uri: str, code: str) -> None:
        self.submitter, self.uri, self.code = submitter, uri, code
        self.specification: dict[str, Any] = {}

    def run(self, value: str = "1", variables: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
        component = self.submitter.component(
            "python copy.py ${{inputs.raw}} ${{inputs.n}} ${{outputs.o}}",
            code=self.code,
            inputs={"raw": {"type": "uri_file"}, "n": {"type": "integer"}},
            outputs={"o": {"type": "uri_folder"}},
            **self.specification,
        )
        node = {
            "type": "command",
            "componentId": component,
            "inputs": {
                "raw": {"uri": self.uri, "job_input_type": "uri_file"},
                "n": {"value": value, "job_input_type": "literal"},
            },
            "environment_variables": variables or {},
            "outputs": {"o": {"value": "${{parent.outputs.final}}", "type": "literal"}},
        }
        name = self.submitter.pipeline(
            {"copy": node}, settings=settings, outputs={"final": {"jobOutputType": "uri_folder"}}
        )
        assert self.submitter.wait(name)["status"] == "Completed"
        return self.submitter.steps(name)["copy"]


COPY = "import pathlib, sys\npathlib.Path(sys.argv[3], 'copy.txt').write_text(pathlib.Path(sys.argv[1]).read_text())\n"


@pytest.fixture
def example(submitter: Any, data: Callable[[str, str], str], scripts: Callable[..., Path], tmp_path: Path) -> Example:
    uri = data(f"{tmp_path.name}/raw.csv", f"content of {tmp_path}")
    return Example(submitter, uri, submitter.code(scripts(copy=f"# {tmp_path}\n{COPY}")))


def reused_from(child: dict[str, Any]) -> str | None:
    properties = child["properties"]
    return properties["azureml.reusedrunid"] if properties.get("azureml.isreused") == "true" else None


def test_the_same_step_is_reused_with_its_outputs(example: Example, submitter: Any) -> None:
    first = example.run()

    second, third = example.run(), example.run()

    assert reused_from(first) is None
    assert reused_from(second) == reused_from(third) == first["runId"]
    assert submitter.log(second["runId"]) == submitter.log(first["runId"])
    places = [
        submitter.http.post(
            f"/data/v1.0{submitter.workspace}/dataversion/batchGetResolvedUris",
            json={"values": [child["outputs"]["o"]["assetId"]]},
        ).json()["values"]
        for child in (first, second)
    ]
    assert [value["uri"] for place in places for value in place.values()].count(
        next(iter(places[0].values()))["uri"]
    ) == 2


def test_changes_make_the_step_run(
    example: Example,
    data: Callable[[str, str], str],
    submitter: Any,
    scripts: Callable[..., Path],
    tmp_path: Path,
) -> None:
    example.run()
    # the same bytes at another path change nothing
    example.uri = data(f"{tmp_path.name}/other/raw.csv", f"content of {tmp_path}")
    assert reused_from(example.run())
    # another value, another variable, other data and other code do
    assert not reused_from(example.run(value="2"))
    assert not reused_from(example.run(variables={"A": "b"}))
    data(f"{tmp_path.name}/other/raw.csv", "changed")
    assert not reused_from(example.run())
    example.code = submitter.code(scripts(copy=COPY + "# changed\n"))
    assert not reused_from(example.run())


def test_force_rerun_and_nondeterministic_steps_run(example: Example) -> None:
    example.run()
    assert not reused_from(example.run(force_rerun=True))
    example.specification = {"is_deterministic": False}
    assert not reused_from(example.run())


def test_steps_whose_outputs_have_changed_run_again(example: Example, emulator: Any) -> None:
    # given a completed step
    child = example.run()
    # when its output is overwritten, and later removed
    (made,) = emulator.settings.state.glob(f"blobs/*/*/azureml/{child['runId']}/o/copy.txt")
    made.write_text("something else")
    again = example.run()
    (made_again,) = emulator.settings.state.glob(f"blobs/*/*/azureml/{again['runId']}/o/copy.txt")
    made_again.unlink()
    # then it runs each time
    assert not reused_from(again)
    assert not reused_from(example.run())
