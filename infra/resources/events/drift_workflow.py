"""What the drift handler does, as a Logic Apps workflow definition: pure data, no resources.

It polls its queue, notifies CI of drift, and removes the message only when CI has accepted it. What CI does not accept
stays in the queue, which delivers it again: the queue is the retry, so no request here is repeated. A second
notification is harmless, because one verdict starts one training.
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
# The services that the handler's identity gets tokens for.
QUEUES_AUDIENCE = "https://servicebus.azure.net"
VAULTS_AUDIENCE = "https://vault.azure.net"
AZURE_DEVOPS_AUDIENCE = (
    "499b84ac-1321-427f-aa17-267ca6975798"  # the application id of Azure DevOps, the same everywhere
)
RECEIVED, GITHUB_ACCEPTED, AZURE_DEVOPS_ACCEPTED = 201, 204, 200
WAIT_SECONDS = 10
# Characters that are passed on; GitHub refuses payloads of more than 64 KB.
MAX_LENGTHS = {"id": 71, "source": 1000, "subject": 1000, "time": 64}
MAX_DATA_LENGTHS = {"model": 255, "version": 255, "reason": 500}


@dataclass(frozen=True)
class GitHubRepository:
    """The repository to notify on GitHub, and the address of the secret with its token."""

    organisation: str
    repository: str
    token: str


@dataclass(frozen=True)
class Pipeline:
    """The pipeline to run on Azure DevOps."""

    organisation: str
    project: str
    number: int
    branch: str


@dataclass(frozen=True)
class WorkflowSettings:
    """The stage, the queue's address, the handler's identity, and what to notify."""

    stage: str
    queue: str
    identity: str
    github: GitHubRepository | None
    pipeline: Pipeline | None


def definition_of(settings: WorkflowSettings) -> Json:
    """The definition. It has no secret in it: everyone who may see the resource may read it."""
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
                "POST", f"{settings.queue}/messages/head?timeout={WAIT_SECONDS}", _as_handler(settings, QUEUES_AUDIENCE)
            ),
            "If_message_received": {
                "type": "If",
                "expression": {"and": [{"equals": ["@outputs('Receive')['statusCode']", RECEIVED]}]},
                "actions": _handling(settings),
                "else": {"actions": {}},
                "runAfter": {"Receive": ["Succeeded"]},
            },
        },
    }


def _handling(settings: WorkflowSettings) -> Json:
    notifications = _notifications(settings)
    accepted = [
        {"equals": [f"@outputs('{name}')['statusCode']", status]}
        for name, status in (("Notify_GitHub", GITHUB_ACCEPTED), ("Run_pipeline", AZURE_DEVOPS_ACCEPTED))
        if name in notifications
    ]
    removal = _http("DELETE", "@{outputs('Receive')['headers']['Location']}", _as_handler(settings, QUEUES_AUDIENCE))
    return {
        # Event Grid's JSON with any content type: anything but application/json arrives in Base64.
        "Event": {"type": "Compose", "inputs": _EVENT},
        # Only these values, cut to a length: who sends an event must not write the request.
        "Payload": {"type": "Compose", "inputs": _payload(settings.stage), "runAfter": {"Event": ["Succeeded"]}},
        **notifications,
        # Azure DevOps answers unknown callers with 203 and a sign-in page: success is one status only.
        "If_CI_accepted": {
            "type": "If",
            "expression": {"and": accepted},
            "actions": {"Remove_accepted": removal | {"runAfter": {}}},
            "else": {
                "actions": {
                    "Leave_in_queue": _fail("NotAccepted", "CI did not accept the drift. It stays in the queue.")
                }
            },
            "runAfter": {name: ["Succeeded"] for name in notifications if name != "Read_token"},
        },
        "Remove_unreadable": removal | {"runAfter": {"Payload": ["Failed", "Skipped"]}},
        "Unreadable": _fail("Unreadable", "This is not an event of mlops; the output of Receive shows it.")
        | {"runAfter": {"Remove_unreadable": ["Succeeded"]}},
    }


def _notifications(settings: WorkflowSettings) -> Json:
    actions: Json = {}
    if settings.github is not None:
        repository = settings.github
        actions["Read_token"] = (
            _http("GET", f"{repository.token}?api-version={VAULT_VERSION}", _as_handler(settings, VAULTS_AUDIENCE))
            | {"runAfter": {"Payload": ["Succeeded"]}}
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
            "body": {"event_type": EVENT_TYPE, "client_payload": "@outputs('Payload')"},
        }
        actions["Notify_GitHub"] = _http("POST", address, request) | {"runAfter": {"Read_token": ["Succeeded"]}}
        actions["Notify_GitHub"] |= _hidden("inputs")
    if settings.pipeline is not None:
        pipeline = settings.pipeline
        address = (
            f"{AZURE_DEVOPS}/{pipeline.organisation}/{pipeline.project}/_apis/pipelines/{pipeline.number}/runs"
            f"?api-version={AZURE_DEVOPS_VERSION}"
        )
        request = {
            "headers": {"Content-Type": "application/json"},
            "body": {
                "resources": {"repositories": {"self": {"refName": f"refs/heads/{pipeline.branch}"}}},
                # Not the event: an agent would expand macros in its texts.
                "templateParameters": {"because": f"{settings.stage}/@{{outputs('Payload')['data']['record']}}"},
            },
        }
        actions["Run_pipeline"] = _http("POST", address, request | _as_handler(settings, AZURE_DEVOPS_AUDIENCE))
        actions["Run_pipeline"] |= {"runAfter": {"Payload": ["Succeeded"]}}
    return actions


_MESSAGE = "json(string(body('Receive')))"
_NULL = "'bnVsbA=='"  # `null` in Base64
_EVENT = f"@coalesce(json(base64ToString(coalesce({_MESSAGE}?['$content'], {_NULL}))), {_MESSAGE})"


def _payload(stage: str) -> Json:
    """A CloudEvent of `mlops` with values of the received one; type and stage are not taken from it."""
    return {
        "specversion": "1.0",
        "type": DRIFT_FOUND,
        **{name: f"@take(string(outputs('Event')['{name}']), {limit})" for name, limit in MAX_LENGTHS.items()},
        "data": {
            "stage": stage,
            "record": "@int(string(outputs('Event')['data']['record']))",
            **{
                name: f"@take(string(outputs('Event')['data']['{name}']), {limit})"
                for name, limit in MAX_DATA_LENGTHS.items()
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


def _as_handler(settings: WorkflowSettings, audience: str) -> Json:
    identity = {"type": "ManagedServiceIdentity", "identity": settings.identity, "audience": audience}
    return {"authentication": identity}


def _hidden(*properties: str) -> Json:
    """Keep a part of an action out of the run history."""
    return {"runtimeConfiguration": {"secureData": {"properties": list(properties)}}}


def _fail(code: str, message: str) -> Json:
    error = {"code": code, "message": message}
    return {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": error}, "runAfter": {}}
