"""What an online deployment asks for, parsed into frozen values with Azure's defaults. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from azureml_emulator.kernel.clock import parse_duration
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.resources.kubernetes import KUBERNETES, MANAGED
from azureml_emulator.resources.service_catalog import KUBERNETES_TIMEOUT, MANAGED_INSTANCES, MANAGED_TIMEOUT

# Azure admits twice as many requests as a deployment may process at once; the other half waits.
_ADMITTED_PER_PROCESSED = 2
_FIXED = "Default"
_AUTOMATIC = "TargetUtilization"
_COMPUTE_TYPES = (MANAGED, KUBERNETES)


def _checked(duration: str) -> str:
    parse_duration(duration)
    return duration


Duration = Annotated[str, AfterValidator(_checked)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class RequestSettings(_Settings):
    """How many requests a deployment accepts, and how long each may wait and run; durations as ISO 8601."""

    max_concurrent_requests_per_instance: int = Field(default=1, ge=1)
    max_queue_wait: Duration = "PT0.5S"
    request_timeout: Duration = "PT5S"


class Probe(_Settings):
    """When a server counts as ready or as dead; durations as ISO 8601."""

    failure_threshold: int = Field(default=30, ge=1)
    success_threshold: int = Field(default=1, ge=1)
    timeout: Duration = "PT2S"
    period: Duration = "PT10S"
    initial_delay: Duration = "PT10S"


@dataclass(frozen=True)
class DeploymentPlan:
    """One deployment as it should run: references, environment variables, limits in seconds and in requests."""

    model: str | None
    code: str | None
    script: str | None
    environment: str | None
    variables: dict[str, str]
    managed: bool
    instances: int
    concurrent: int
    queue_wait: float
    request_timeout: float
    liveness: Probe
    readiness: Probe

    @property
    def max_concurrent(self) -> int:
        """How many requests the server may process at once."""
        return self.concurrent * self.instances

    @property
    def max_admitted(self) -> int:
        """How many requests may be processed or waiting; more are refused immediately."""
        return _ADMITTED_PER_PROCESSED * self.max_concurrent

    @property
    def start_limit(self) -> float:
        """Seconds within which the server must be ready: what the liveness probe tolerates."""
        probe = self.liveness
        return parse_duration(probe.initial_delay) + probe.failure_threshold * parse_duration(probe.period)


def with_defaults(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of a deployment with Azure's defaults. Raises BadRequest."""
    given = properties.get("environmentVariables") or {}
    filled = {
        **properties,
        # Azure takes a plain number of YAML as its text, which examples of Microsoft's rely on.
        "environmentVariables": {name: str(value) if type(value) is int else value for name, value in given.items()},
        "scaleSettings": properties.get("scaleSettings") or {"scaleType": _FIXED},
    }
    for name, model in (
        ("requestSettings", RequestSettings),
        ("livenessProbe", Probe),
        ("readinessProbe", Probe),
    ):
        try:
            settings = model.model_validate(_without_nulls(properties.get(name) or {}))
        except ValidationError as error:
            wrong = error.errors()[0]
            where = ".".join([name, *(str(part) for part in wrong["loc"])])
            raise BadRequest(f"{where}: {wrong['msg']}.", target=where) from error
        filled[name] = settings.model_dump(by_alias=True)
    return filled


def read_plan(document: dict[str, Any]) -> DeploymentPlan:
    """The plan for a deployment's document. Raises BadRequest for a value that Azure refuses."""
    properties = with_defaults(document.get("properties", {}))
    compute = properties.get("endpointComputeType", MANAGED)
    if compute not in _COMPUTE_TYPES:
        raise BadRequest(f"endpointComputeType is '{compute}'; it must be one of {', '.join(_COMPUTE_TYPES)}.")
    requests = RequestSettings.model_validate(properties["requestSettings"])
    timeout = parse_duration(requests.request_timeout)
    longest = MANAGED_TIMEOUT if compute == MANAGED else KUBERNETES_TIMEOUT
    longest.check(timeout, "requestSettings.requestTimeout")
    code = properties.get("codeConfiguration") or {}
    if code.get("scoringScript") and not code.get("codeId"):
        message = "'codeConfiguration' has a scoringScript and no codeId: the script is a file of a code version."
        raise BadRequest(message, target="codeConfiguration.codeId")
    return DeploymentPlan(
        model=_reference(properties.get("model")),
        code=code.get("codeId"),
        script=code.get("scoringScript"),
        environment=properties.get("environmentId"),
        variables=_variables(properties.get("environmentVariables") or {}),
        managed=compute == MANAGED,
        instances=_instances(document.get("sku") or {}, properties["scaleSettings"], compute),
        concurrent=requests.max_concurrent_requests_per_instance,
        queue_wait=parse_duration(requests.max_queue_wait),
        request_timeout=timeout,
        liveness=Probe.model_validate(properties["livenessProbe"]),
        readiness=Probe.model_validate(properties["readinessProbe"]),
    )


def _instances(sku: dict[str, Any], scale: dict[str, Any], compute: str) -> int:
    """The number of instances; of a range on Kubernetes the minimum, since nothing is scaled here."""
    kind = scale.get("scaleType", _FIXED)
    if kind == _AUTOMATIC and compute == KUBERNETES:
        return _low(scale)
    if kind != _FIXED:
        raise BadRequest(
            f"scaleType is '{kind}'; it must be {_FIXED}, or {_AUTOMATIC} on {KUBERNETES}.", target="scaleSettings"
        )
    capacity = sku.get("capacity", 1)
    if not isinstance(capacity, int) or capacity < 1:
        raise BadRequest(f"The instance count is {capacity!r}; it must be a positive integer.", target="sku.capacity")
    if compute == MANAGED:
        MANAGED_INSTANCES.check(capacity, "sku.capacity")
    return capacity


def _low(scale: dict[str, Any]) -> int:
    low, high = scale.get("minInstances", 1), scale.get("maxInstances", 1)
    if not isinstance(low, int) or not isinstance(high, int) or not 1 <= low <= high:
        raise BadRequest(
            f"The deployment cannot have between {low!r} and {high!r} instances: minInstances must be 1 or more "
            "and at most maxInstances.",
            code="InvalidDeploymentSpec",
            target="scaleSettings",
        )
    return low


def _variables(given: dict[str, Any]) -> dict[str, str]:
    for name, value in given.items():
        if not isinstance(value, str) or not name or "=" in name or "\0" in name + value:
            raise BadRequest(
                f"The environment variable '{name}' needs a valid name and a string as its value.", target=name
            )
    return dict(given)


def _without_nulls(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _reference(model: Any) -> str | None:
    if model is not None and not isinstance(model, str):
        raise BadRequest("'model' must be a string: the id of a model, or azureml:<name>:<version>.", target="model")
    return model
