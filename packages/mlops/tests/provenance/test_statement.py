"""Where a model comes from, in a form that other tools read: in-toto's, SLSA's and sha256sum's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from mlops.core.errors import ProjectError
from mlops.provenance.statement import parse_statement
from model_package.digest import checksums, file_digests

from .conftest import Case


def test_a_statement_has_the_form_of_the_standards(case: Case) -> None:
    document = json.loads(case.statement().text())

    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    whole, *files = document["subject"]
    assert whole == {"name": "credit-default:3", "digest": {"sha256": case.subject.model.digest[7:]}}
    assert [each["name"] for each in files] == ["model.onnx", "provenance.json"]
    definition, run = document["predicate"]["buildDefinition"], document["predicate"]["runDetails"]
    assert {"buildType", "externalParameters", "resolvedDependencies"} <= definition.keys()
    assert definition["resolvedDependencies"][0]["uri"] == "git+https://github.com/example/credit-default"
    assert run["builder"]["id"].endswith("/.github/workflows/train.yml@refs/heads/main")
    assert run["metadata"]["invocationId"].endswith("/example/credit-default/actions/runs/42/attempts/2")


def test_the_same_model_gives_the_same_bytes_and_they_are_read_back(case: Case) -> None:
    text = case.statement().text()
    assert case.statement().text() == text
    assert parse_statement(text, "here").text() == text


def test_the_digest_is_that_of_a_file_which_sha256sum_checks(case: Case) -> None:
    sums = case.root / "SHA256SUMS"
    sums.write_bytes(checksums(file_digests(case.subject.package)))
    own = subprocess.run(["sha256sum", str(sums)], capture_output=True, text=True, check=True).stdout.split()[0]
    assert f"sha256:{own}" == case.subject.model.digest
    command = ["sha256sum", "--check", "--strict", str(sums)]
    assert subprocess.run(command, cwd=case.subject.package, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("in-toto.io/Statement/v1", "in-toto.io/Statement/v0.1"),
        lambda text: text.replace('"subject"', '"subjects"'),
        lambda _: "{",
        lambda _: "",
    ],
    ids=["another version", "another key", "no JSON", "nothing"],
)
def test_what_is_no_statement_is_told(case: Case, spoil: Callable[[str], str]) -> None:
    with pytest.raises(ProjectError, match=r"here is not a provenance statement"):
        parse_statement(spoil(case.statement().text()), "here")
