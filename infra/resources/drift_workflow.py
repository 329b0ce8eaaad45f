"""What the handler of drift does, as a definition for Logic Apps: pure data, no resources.

It looks into its queue, tells CI of the drift that it finds, and takes it off the queue only when CI has agreed. What
CI does not take stays in the queue, which offers it again: the queue is the retry, so that no request here repeats
itself. A second telling is harmless, because one verdict begins one training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
EVERY_MINUTES = 15
GITHUB = "https://api.github.com"
GITHUB_VERSION = "2022-11-28"
EVENT_TYPE = "drift-found"  # what .github/workflows/retrain.yml listens to
DRIFT_FOUND = "mlops.DriftFound"
AZURE_DEVOPS = "https://dev.azure.com"
AZURE_DEVOPS_VERSION = "7.1"
VAULT_VERSION = "7.4"
# Whom the handler's identity asks for a token to.
QUEUES_AUDIENCE = "https://servicebus.azure.net"
VAULTS_AUDIENCE = "https://vault.azure.net"
AZURE_DEVOPS_AUDIENCE = "499b84ac-1321-427f-aa17-267ca6975798"  # Azure DevOps' own application, the same everywhere
NEW, GITHUB_AGREES, AZURE_DEVOPS_AGREES = 201, 204, 200
WAIT_SECONDS = 10
# Characters that are handed on; GitHub refuses what is longer than 64 KB as a whole.
LONGEST = {"id": 71, "source": 1000, "subject": 1000, "time": 64}
LONGEST_DATA = {"model": 255, "version": 255, "reason": 500}


@dataclass(frozen=True)
class GitHubRepository:
    """Who is told on GitHub, and the address of the secret that holds the token for it."""

    organisation: str
    repository: str
    token: str


@dataclass(frozen=True)
class Pipeline:
    """What is run on Azure DevOps."""

    organisation: str
    project: str
    number: int
    branch: str


@dataclass(frozen=True)
class Wiring:
    """Whose drift is told of, where it waits, who reads it there, and who is told."""

    stage: str
    queue: str
    identity: str
    github: GitHubRepository | None
    pipeline: Pipeline | None


def definition_of(wiring: Wiring) -> Json:
    """The definition; there is no secret in it, so it may be read by everyone who may see the resource."""
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "triggers": {
            "Every_few_minutes": {
                "type": "Recurrence",
                "recurrence": {"frequency": "Minute", "interval": EVERY_MINUTES},
                "runtimeConfiguration": {"concurrency": {"runs": 1}},
            }
        },
        "actions": {
            # Locked for five minutes, not removed.
            "Receive": _http(
                "POST", f"{wiring.queue}/messages/head?timeout={WAIT_SECONDS}", _as_handler(wiring, QUEUES_AUDIENCE)
            ),
            "If_there_is_drift": {
                "type": "If",
                "expression": {"and": [{"equals": ["@outputs('Receive')['statusCode']", NEW]}]},
                "actions": _handling(wiring),
                "else": {"actions": {}},
                "runAfter": {"Receive": ["Succeeded"]},
            },
        },
    }


def _handling(wiring: Wiring) -> Json:
    told = _telling(wiring)
    agreed = [
        {"equals": [f"@outputs('{name}')['statusCode']", status]}
        for name, status in (("Tell_GitHub", GITHUB_AGREES), ("Tell_Azure_DevOps", AZURE_DEVOPS_AGREES))
        if name in told
    ]
    removal = _http("DELETE", "@{outputs('Receive')['headers']['Location']}", _as_handler(wiring, QUEUES_AUDIENCE))
    return {
        # Event Grid's JSON, whatever type it was sent as: anything but application/json arrives in Base64.
        "Event": {"type": "Compose", "inputs": _EVENT},
        # Only these values, and only so long: whoever writes events writes no request.
        "Facts": {"type": "Compose", "inputs": _facts(wiring.stage), "runAfter": {"Event": ["Succeeded"]}},
        **told,
        # Azure DevOps answers 203, with a page to sign in, to whom it does not know: success is one status only.
        "If_CI_agrees": {
            "type": "If",
            "expression": {"and": agreed},
            "actions": {"Remove": removal | {"runAfter": {}}},
            "else": {"actions": {"Keep": _fail("NotTaken", "CI did not take the drift. It stays in the queue.")}},
            "runAfter": {name: ["Succeeded"] for name in told if name.startswith("Tell_")},
        },
        "Set_aside": removal | {"runAfter": {"Facts": ["Failed", "Skipped"]}},
        "Unreadable": _fail("Unreadable", "This is no event of mlops; the output of Receive shows it.")
        | {"runAfter": {"Set_aside": ["Succeeded"]}},
    }


def _telling(wiring: Wiring) -> Json:
    told: Json = {}
    if wiring.github is not None:
        repository = wiring.github
        told["Read_token"] = (
            _http("GET", f"{repository.token}?api-version={VAULT_VERSION}", _as_handler(wiring, VAULTS_AUDIENCE))
            | {"runAfter": {"Facts": ["Succeeded"]}}
            | _hidden("outputs")
        )
        address = f"{GITHUB}/repos/{repository.organisation}/{repository.repository}/dispatches"
        request = {
            "headers": {
                "Accept": "application/vnd.github+json",
                "Authorization": "Bearer @{body('Read_token')['value']}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": GITHUB_VERSION,
            },
            "body": {"event_type": EVENT_TYPE, "client_payload": "@outputs('Facts')"},
        }
        told["Tell_GitHub"] = _http("POST", address, request) | {"runAfter": {"Read_token": ["Succeeded"]}}
        told["Tell_GitHub"] |= _hidden("inputs")
    if wiring.pipeline is not None:
        pipeline = wiring.pipeline
        address = (
            f"{AZURE_DEVOPS}/{pipeline.organisation}/{pipeline.project}/_apis/pipelines/{pipeline.number}/runs"
            f"?api-version={AZURE_DEVOPS_VERSION}"
        )
        request = {
            "headers": {"Content-Type": "application/json"},
            "body": {
                "resources": {"repositories": {"self": {"refName": f"refs/heads/{pipeline.branch}"}}},
                # Not the event: an agent would follow macros in its texts.
                "templateParameters": {"because": f"{wiring.stage}/@{{outputs('Facts')['data']['record']}}"},
            },
        }
        told["Tell_Azure_DevOps"] = _http("POST", address, request | _as_handler(wiring, AZURE_DEVOPS_AUDIENCE))
        told["Tell_Azure_DevOps"] |= {"runAfter": {"Facts": ["Succeeded"]}}
    return told


_MESSAGE = "json(string(body('Receive')))"
_NOTHING = "'bnVsbA=='"  # `null` in Base64
_EVENT = f"@coalesce(json(base64ToString(coalesce({_MESSAGE}?['$content'], {_NOTHING}))), {_MESSAGE})"


def _facts(stage: str) -> Json:
    """A CloudEvent of `mlops` with the values of what was received; type and stage are known without it."""
    return {
        "specversion": "1.0",
        "type": DRIFT_FOUND,
        **{name: f"@take(string(outputs('Event')['{name}']), {longest})" for name, longest in LONGEST.items()},
        "data": {
            "stage": stage,
            "record": "@int(string(outputs('Event')['data']['record']))",
            **{
                name: f"@take(string(outputs('Event')['data']['{name}']), {longest})"
                for name, longest in LONGEST_DATA.items()
            },
        },
    }


def _http(method: str, address: str, request: Json) -> Json:
    return {
        "type": "Http",
        "inputs": {"method": method, "uri": address, "retryPolicy": {"type": "none"}, **request},
        "operationOptions": "DisableAsyncPattern",
        "runAfter": {},
    }


def _as_handler(wiring: Wiring, audience: str) -> Json:
    identity = {"type": "ManagedServiceIdentity", "identity": wiring.identity, "audience": audience}
    return {"authentication": identity}


def _hidden(*properties: str) -> Json:
    """Keeps a part of an action out of the history of its runs."""
    return {"runtimeConfiguration": {"secureData": {"properties": list(properties)}}}


def _fail(code: str, message: str) -> Json:
    error = {"code": code, "message": message}
    return {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": error}, "runAfter": {}}
