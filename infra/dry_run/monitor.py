"""A resource monitor in place of the engine's: answers the program, and records inputs and options."""

from __future__ import annotations

import uuid
from typing import Any

from pulumi.runtime import mocks, rpc

from dry_run.kinds import AZURE, kind_of
from dry_run.result import Options, ResourceRecord

PRINCIPALS = uuid.UUID("0b8f6f0e-1b0a-5c54-8d0c-3f5d5c0a6a10")


class AzureMocks(mocks.Mocks):
    """What Azure would answer: the inputs, an id, and what only Azure can know."""

    def __init__(self, subscription_id: str) -> None:
        self._subscription_id = subscription_id

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Refuses: the program looks nothing up, so that it declares the same every time."""
        raise LookupError(f"the program looks up {args.token}; take the value from the settings")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """The id and the state of a newly declared resource."""
        type_ = args.typ.removeprefix(AZURE)
        if not args.custom:
            return "", dict(args.inputs)
        if not args.typ.startswith(AZURE):
            return f"{args.name}-id", dict(args.inputs)
        return kind_of(type_).id(args.inputs, self._subscription_id), state_of(type_, args.inputs)


class RecordingMonitor(mocks.MockMonitor):
    """A monitor that records what the stock one drops: protection, dependencies, and duplicate URNs."""

    def __init__(self, mocked: AzureMocks) -> None:
        super().__init__(mocked)
        self.records: list[ResourceRecord] = []
        self.duplicates: list[str] = []
        self.outputs: dict[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's name
        """Answer a declaration, and record it."""
        response = super().RegisterResource(request)
        if response.urn in {record.urn for record in self.records}:
            self.duplicates.append(response.urn)
        dependencies = set(request.dependencies)
        for found in request.propertyDependencies.values():
            dependencies.update(found.urns)
        self.records.append(
            ResourceRecord(
                urn=response.urn,
                type=request.type,
                name=request.name,
                custom=request.custom,
                parent=request.parent,
                id=response.id,
                inputs=rpc.deserialize_properties(request.object),
                protect=request.protect,
                dependencies=frozenset(dependencies),
                options=Options(
                    ignored=tuple(request.ignoreChanges),
                    replacing=tuple(request.replaceOnChanges),
                    delete_first=request.deleteBeforeReplace,
                    retain=bool(request.retainOnDelete),
                    deleted_with=request.deletedWith,
                ),
            )
        )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        """Record the stack's outputs."""
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self.outputs = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)


def state_of(type_: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """What Azure would return for a resource after creating it."""
    state = dict(inputs)
    if type_ == "managedidentity:UserAssignedIdentity":
        name = inputs["resourceName"]
        state["principalId"] = principal_of(name)
        state["clientId"] = str(uuid.uuid5(PRINCIPALS, f"client of {name}"))
    if type_ == "applicationinsights:Component":
        state["connectionString"] = f"InstrumentationKey={PRINCIPALS};IngestionEndpoint=https://insights.example.com/"
    if own := _own_principal(type_, inputs):
        state["identity"] = inputs["identity"] | {"principalId": own}
    state["name"] = kind_of(type_).id(inputs, "").rsplit("/", maxsplit=1)[-1]
    return _identities_as_map(state)


def own_principal_of(record: ResourceRecord) -> str | None:
    """The object id of a resource's own identity, which Azure makes with it; None where it has none."""
    return _own_principal(record.azure_type, record.inputs) if record.azure else None


def _own_principal(type_: str, inputs: dict[str, Any]) -> str | None:
    identity = inputs.get("identity")
    if not isinstance(identity, dict) or "SystemAssigned" not in str(identity.get("type")):
        return None
    return principal_of(kind_of(type_).id(inputs, ""))


def principal_of(name: str) -> str:
    """The object id of an identity, by its name or by the id of the resource that it belongs to."""
    return str(uuid.uuid5(PRINCIPALS, f"principal of {name}"))


def _identities_as_map(state: dict[str, Any]) -> dict[str, Any]:
    identity = state.get("identity")
    if isinstance(identity, dict) and isinstance(identity.get("userAssignedIdentities"), list):
        ids = identity["userAssignedIdentities"]
        return state | {"identity": identity | {"userAssignedIdentities": {id_: {} for id_ in ids}}}
    return state
