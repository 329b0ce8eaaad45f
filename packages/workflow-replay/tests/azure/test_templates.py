"""Template expansion, and errors with file and line."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_replay.azure.templates.expansion import expand
from workflow_replay.azure.templates.tree import Entries, Items, Node, Text
from workflow_replay.errors import EventError, ReplayError

EXTRA = """
parameters:
- {name: count, type: number}
steps:
- script: extra ${{ parameters.count }}
"""


def plain(node: Node) -> Any:
    match node:
        case Text(text):
            return text
        case Items(nodes):
            return [plain(inner) for inner in nodes]
        case Entries(pairs):
            return {key.text: plain(inner) for key, inner in pairs}


def expanded(text: str, templates: dict[str, str] | None = None, **arguments: str) -> Any:
    files = {"azure-pipelines.yml": text, **(templates or {})}
    return plain(expand(files.get, "azure-pipelines.yml", {"Build.Reason": "Manual"}, arguments))


def scripts(text: str, templates: dict[str, str] | None = None, **arguments: str) -> list[str]:
    return [step["script"] for step in expanded(text, templates, **arguments)["steps"]]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("- ${{ if true }}:\n  - script: a\n- ${{ else }}:\n  - script: b", ["a"], id="if"),
        pytest.param(
            "- ${{ if false }}:\n  - script: a\n- ${{ elseif true }}:\n  - script: b\n- ${{ else }}:\n  - script: c",
            ["b"],
            id="elseif",
        ),
        pytest.param("- ${{ if false }}:\n  - script: a\n- ${{ else }}:\n  - script: b", ["b"], id="else"),
        pytest.param("- ${{ if '' }}:\n  - script: a", [], id="none"),
        pytest.param(
            "- ${{ if false }}:\n  - script: a\n- script: between\n- ${{ else }}:\n  - script: b",
            ["between", "b"],
            id="an-ordinary-neighbour-does-not-end-a-chain",
        ),
        pytest.param(
            "- ${{ if true }}:\n  - script: a\n- ${{ elseif lt(1, 'x') }}:\n  - script: b",
            ["a"],
            id="later-conditions-are-not-evaluated",
        ),
        pytest.param("- ${{ if true }}:\n    script: one", ["one"], id="a-mapping-is-one-item"),
        pytest.param("- ${{ each x in split('a in b', ' in ') }}:\n  - script: ${{ x }}", ["a", "b"], id="each"),
        pytest.param(
            "- ${{ each x in parameters.map }}:\n  - script: ${{ x.key }}=${{ x.value }}", ["k=1", "l=True"], id="pairs"
        ),
        pytest.param(
            "- ${{ each x in split('a,b', ',') }}:\n  - ${{ each y in split('1,2', ',') }}:\n"
            "    - script: ${{ x }}${{ y }}",
            ["a1", "a2", "b1", "b2"],
            id="nested-each",
        ),
        pytest.param("- ${{ parameters.pre }}\n- script: own", ["p1", "p2", "own"], id="a-list-is-flattened"),
        pytest.param("- script: \"${{ 'my${{value' }}\"", ["my${{value"], id="escape"),
        pytest.param("- script: pre-${{ true }}-${{ 1.0 }}-${{ variables.no }}-post", ["pre-True-1--post"], id="mixed"),
        pytest.param("- script: ${{ parameters.version }}", ["3.10"], id="texts-stay-as-written"),
        pytest.param("- script: ${{ variables['Build.Reason'] }}", ["Manual"], id="predefined"),
    ],
)
def test_directives_in_lists(steps: str, expected: list[str]) -> None:
    declared = """
parameters:
- {name: version, default: 3.10}
- {name: map, type: object, default: {k: 1, l: true}}
- name: pre
  type: stepList
  default: [{script: p1}, {script: p2}]
"""

    assert scripts(f"{declared}steps:\n{steps}\n") == expected


def test_directives_in_mappings() -> None:
    text = """
parameters:
- {name: more, type: object, default: {C: c, D: d}}
steps:
- script: x
  env:
    A: a
    ${{ if true }}:
      B: b
    ${{ else }}:
      B: other
    ${{ insert }}: ${{ parameters.more }}
    ${{ each pair in parameters.more }}:
      ${{ pair.key }}2: ${{ pair.value }}
    E: e
"""

    (step,) = expanded(text)["steps"]

    assert list(step["env"].items()) == [
        ("A", "a"), ("B", "b"), ("C", "c"), ("D", "d"), ("C2", "c"), ("D2", "d"), ("E", "e"),
    ]  # fmt: skip


def test_an_extended_template_wraps_jobs() -> None:
    text = """
variables: {who: me}
extends:
  template: .azuredevops/wrap.yml
  parameters:
    jobs:
    - job: A
      displayName: mine
      steps:
      - script: a ${{ variables.who }}
      - template: steps/extra.yml
        parameters: {count: 2}
"""
    wrap = """
parameters:
- {name: jobs, type: jobList}
jobs:
- ${{ each job in parameters.jobs }}:
  - ${{ each pair in job }}:
      ${{ if ne(pair.key, 'steps') }}:
        ${{ pair.key }}: ${{ pair.value }}
    steps:
    - script: setup
    - ${{ job.steps }}
    - template: teardown.yml
"""
    templates = {
        ".azuredevops/wrap.yml": wrap,
        ".azuredevops/teardown.yml": "steps:\n- script: teardown\n",
        "steps/extra.yml": EXTRA,
    }

    tree = expanded(text, templates)

    assert tree["variables"] == {"who": "me"}
    assert tree["jobs"] == [
        {
            "job": "A",
            "displayName": "mine",
            "steps": [{"script": "setup"}, {"script": "a me"}, {"script": "extra 2"}, {"script": "teardown"}],
        }
    ]


def test_variables_are_visible_below_and_variable_templates_are_inserted() -> None:
    text = """
variables:
- name: one
  value: 1
- name: two
  value: ${{ variables.one }}2
- template: vars.yml
stages:
- stage: A
  variables:
    inner: in-${{ variables.three }}
  jobs:
  - job: J
    displayName: ${{ variables.two }} ${{ variables.inner }}
- stage: B
  jobs:
  - job: J
    displayName: '[${{ variables.inner }}]'
"""

    tree = expanded(text, {"vars.yml": "variables:\n  three: 3\n"})

    assert [entry["name"] for entry in tree["variables"]] == ["one", "two", "three"]
    assert [stage["jobs"][0]["displayName"] for stage in tree["stages"]] == ["12 in-3", "[]"]


@pytest.mark.parametrize(
    ("declaration", "given", "expected"),
    [
        ("type: number", "'8'", "8"), ("type: number", "1.0", "1"), ("type: boolean", "TRUE", "True"),
        ("type: string", "007", "007"), ("type: string", "", ""), ("values: [a, b]", "b", "b"),
        ("type: number, values: [1, 2]", "'2'", "2"),
    ],
)  # fmt: skip
def test_arguments_are_converted_to_the_declared_type(declaration: str, given: str, expected: str) -> None:
    template = f"parameters:\n- {{name: p, {declaration}}}\nsteps:\n- script: ${{{{ parameters.p }}}}\n"

    found = scripts(f"steps:\n- template: t.yml\n  parameters:\n    P: {given}\n", {"t.yml": template})

    assert found == [expected]


def test_objects_keep_the_types_of_their_scalars() -> None:
    text = """
parameters:
- {name: o, type: object, default: {s: text, n: 3, b: true, nil: ~, list: [1, two]}}
steps:
- script: ${{ convertToJson(parameters.o) }}
"""

    assert scripts(text) == [
        '{\n  "s": "text",\n  "n": 3,\n  "b": true,\n  "nil": "",\n  "list": [\n    1,\n    "two"\n  ]\n}'
    ]


def test_parameters_of_manual_runs_are_converted_too() -> None:
    text = "parameters:\n- {name: n, type: number}\n- {name: o, type: object, default: {}}\nsteps:\n" \
        "- script: ${{ parameters.n }} ${{ parameters.o.a }}\n"  # fmt: skip

    assert scripts(text, n="8", o='{"a": "x"}') == ["8 x"]
    with pytest.raises(EventError, match="no parameter 'other'"):
        expanded(text, n="8", other="1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps:\n- ${{ else }}:\n  - script: x", ":2: The expression directive 'else' is not supported"),
        (
            "steps:\n- ${{ if false }}:\n  - script: a\n- ${{ each x in split('a', ',') }}:\n  - script: b\n"
            "- ${{ else }}:\n  - script: c",
            ":6: The expression directive 'else'",
        ),
        ("steps:\n- script: ${{ parameters.no }}", ":2: Key not found 'no'"),
        ("steps:\n- script: ${{ if true }}", ":2: Unexpected value"),
        ("steps:\n- script: ${{ 'unclosed }}", ":2: The expression is not closed"),
        ("steps:\n- ${{ each x on variables }}:\n  - script: x", "The expected format of an 'each' expression"),
        ("steps:\n- ${{ each variables in variables }}:\n  - script: x", "has already been defined"),
        ("steps:\n- ${{ each x in 'text' }}:\n  - script: x", "Expected a sequence or mapping"),
        ("steps:\n- script: x\n  env:\n    A: 1\n    ${{ insert }}: {a: 2}", "'a' is already defined"),
        ("steps:\n- script: x\n  env:\n    ${{ insert }}: text", "Expected a mapping"),
        ("steps:\n- template: no.yml", ":2: File /no.yml not found"),
        ("steps:\n- template: ../no.yml", "is invalid"),
        ("steps:\n- template: t.yml@other", "t.yml@other is in another repository, which a replay does not have"),
        ("steps:\n- template: jobs.yml", ":1: Unexpected value 'jobs'"),
        ("steps:\n- template: self.yml", "Maximum object depth exceeded|separate YAML files"),
        ("steps:\n- template: t.yml\n  parameters: {p: x, q: y}", ":3: Unexpected parameter 'q'"),
        ("steps:\n- template: t.yml", "A value for the 'p' parameter must be provided"),
        ("steps:\n- template: t.yml\n  parameters: {p: z}", "parameter value 'z' is not a valid value"),
        ("steps:\n- template: t.yml\n  params: {}", "Unexpected value 'params'"),
        ("parameters:\n- {name: p, type: number, default: abc}\nsteps: []", "'abc' is not a valid Number"),
        ("parameters:\n- {name: p, type: boolean, default: yes}\nsteps: []", "'yes' is not a valid Boolean"),
        ("parameters:\n- {name: p, type: stepList, default: x}\nsteps: []", "not a valid StepList"),
        ("parameters:\n- {name: p, type: Text}\nsteps: []", "Unexpected value 'Text'"),
        ("parameters:\n- {name: p}\n- {name: P}\nsteps: []", "declared more than once"),
        ("parameters:\n- {name: p, default: '${{ variables.x }}'}\nsteps: []", "not allowed in this context"),
        ("parameters:\n- {name: p, defualt: x}\nsteps: []", "Unexpected value 'defualt'"),
        ("extends: {template: t.yml}\nsteps: []", "Unexpected value 'steps'"),
        ("a: &anchor 1\nb: *anchor", "anchors are not supported"),
    ],
)
def test_invalid_files_are_rejected_with_a_line(text: str, message: str) -> None:
    templates = {
        "t.yml": "parameters:\n- {name: p, values: [x, y]}\nsteps:\n- script: x\n",
        "jobs.yml": "jobs:\n- job: A\n",
        "self.yml": "steps:\n- template: self.yml\n",
    }

    with pytest.raises(ReplayError, match=message):
        expanded(text, templates)
