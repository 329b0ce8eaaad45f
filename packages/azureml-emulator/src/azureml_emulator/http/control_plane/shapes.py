"""Which fields of a document are objects or texts, where another value would mean nothing. Pure: no I/O.

Only what the emulator reads: any other field is kept as it was sent. `*` stands for names that the user chooses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from azureml_emulator.kernel.errors import BadRequest

_JOB = "properties"
_SPECIFICATION = "properties.componentSpec"
_SCHEDULED = "properties.action.jobDefinition"
_OBJECTS = (
    "tags",
    "identity",
    "sku",
    "properties",
    "properties.tags",
    "properties.properties",
    "properties.action",
    _SCHEDULED,
    "properties.build",
    "properties.codeConfiguration",
    _SPECIFICATION,
    "properties.credentials",
    "properties.dataCollector",
    "properties.dataCollector.collections",
    "properties.dataCollector.collections.*",
    "properties.defaults",
    "properties.environmentVariables",
    "properties.flavors",
    "properties.flavors.*",
    "properties.livenessProbe",
    "properties.metadata",
    "properties.mirrorTraffic",
    "properties.outputs",
    "properties.readinessProbe",
    "properties.requestSettings",
    "properties.retrySettings",
    "properties.scaleSettings",
    "properties.settings",
    "properties.traffic",
    "properties.trigger",
    "properties.trigger.schedule",
    *(
        f"{above}.{name}"
        for above in (_JOB, _SCHEDULED, _SPECIFICATION, "properties.jobs.*", f"{_SPECIFICATION}.jobs.*")
        for name in (
            "distribution",
            "earlyTermination",
            "environmentVariables",
            "environment_variables",
            "identity",
            "inputs",
            "jobs",
            "limits",
            "objective",
            "outputs",
            "queueSettings",
            "resources",
            "retry_settings",
            "samplingAlgorithm",
            "services",
            "settings",
            "trial",
        )
    ),
    *(f"{above}.jobs.*" for above in (_JOB, _SCHEDULED, _SPECIFICATION)),
    *(f"{above}.{name}.*" for above in (_JOB, _SCHEDULED) for name in ("inputs", "outputs")),
    *(f"{_SPECIFICATION}.{name}.*" for name in ("inputs", "outputs")),
)
_TEXTS = (
    "location",
    "kind",
    "properties.authMode",
    "properties.authType",
    "properties.category",
    "properties.codeConfiguration.codeId",
    "properties.codeConfiguration.scoringScript",
    "properties.codeUri",
    "properties.computeType",
    "properties.condaFile",
    "properties.containerName",
    "properties.dataType",
    "properties.dataUri",
    "properties.datastoreType",
    "properties.description",
    "properties.endpointComputeType",
    "properties.image",
    "properties.instanceType",
    "properties.modelType",
    "properties.modelUri",
    "properties.target",
    "properties.trigger.endTime",
    "properties.trigger.expression",
    "properties.trigger.frequency",
    "properties.trigger.startTime",
    "properties.trigger.timeZone",
    "properties.trigger.triggerType",
    *(
        f"{above}.{name}"
        for above in (_JOB, _SCHEDULED, _SPECIFICATION, f"{_JOB}.trial", "properties.jobs.*")
        for name in ("codeId", "command", "computeId", "displayName", "environmentId", "experimentName", "jobType")
    ),
)

_BAG = "properties.properties"
_TEXT_ENDINGS = ("Type", "Id", "Uri")
# Objects whose fields have names that the user chooses.
_USERS_NAMES = frozenset(
    {
        "collections",
        "environmentVariables",
        "environment_variables",
        "flavors",
        "inputs",
        "jobs",
        "metadata",
        "mirrorTraffic",
        "outputs",
        "services",
        "settings",
        "tags",
        "traffic",
    }
)


def check_shapes(body: dict[str, Any]) -> None:
    """Raise BadRequest for a field that has another type than every document of the service; null is absence."""
    for paths, kind, what in ((_OBJECTS, dict, "an object"), (_TEXTS, str, "a string")):
        for path in paths:
            for value in _values(body, path.split(".")):
                if value is not None and not isinstance(value, kind):
                    # The service reads the document before it looks at what is in it.
                    code = "BadRequest" if path == "properties" else "UserError"
                    raise BadRequest(f"'{path}' must be {what}.", code=code, target=path)
    for path in _OBJECTS:
        if path != _BAG and path.rpartition(".")[2] not in _USERS_NAMES:
            for value in _values(body, path.split(".")):
                _check_texts(path, value or {})


def _check_texts(path: str, value: dict[str, Any]) -> None:
    """Whatever the service calls a type, an id or an address is a text.

    Only an input of a component may have several types: Azure takes, and keeps, `type: [AnyFile]`.
    """
    for name, field in value.items():
        if name == "type" and isinstance(field, list) and all(isinstance(each, str) for each in field):
            continue
        if field is not None and not isinstance(field, str) and (name == "type" or name.endswith(_TEXT_ENDINGS)):
            raise BadRequest(f"'{path}.{name}' must be a string.", code="UserError", target=f"{path}.{name}")


def _values(value: Any, names: Sequence[str]) -> Iterator[Any]:
    """What is at a path, if anything; anything but an object on the way has a rule of its own."""
    if not names:
        yield value
    elif isinstance(value, dict):
        first, *rest = names
        for inner in value.values() if first == "*" else (value.get(first),):
            yield from _values(inner, rest)
