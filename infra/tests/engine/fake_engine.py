"""The engine's two services, as far as a program needs them: creates nothing, and records all requests.

It has no diff, no replacement and no provider checks.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty  # ty: ignore[import-not-found] - generated at run time
from google.protobuf.struct_pb2 import Struct  # ty: ignore[import-not-found]
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from dry_run.kinds import AZURE, kind_of
from dry_run.monitor import state_of

STACK = "pulumi:pulumi:Stack"
FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
)


@dataclass
class Recorded:
    """What a program sent to the engine."""

    requests: list[resource_pb2.RegisterResourceRequest] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """AzureMocks declarations. In a preview nothing has an id yet, and outputs beyond the inputs are unknown."""

    def __init__(self, recorded: Recorded, project: str, stack: str, subscription_id: str, *, preview: bool) -> None:
        self._recorded = recorded
        self._where = f"urn:pulumi:{stack}::{project}"
        self._subscription_id = subscription_id
        self._preview = preview
        self._urns: set[str] = set()
        self._lock = threading.Lock()

    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's names
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in {"secrets", "resourceReferences"})

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return resource_pb2.DeploymentInfo(supportedFeatures=FEATURES)

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        type_path = request.type
        if request.parent and STACK not in request.parent.split("::")[2].split("$")[-1]:
            type_path = f"{request.parent.split('::')[2]}${request.type}"
        urn = f"{self._where}::{type_path}::{request.name}"
        with self._lock:
            if urn in self._urns:
                self._recorded.duplicates.append(urn)
            self._urns.add(urn)
            self._recorded.requests.append(request)
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        if self._preview:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=_previewed(request.object))
        inputs = rpc.deserialize_properties(request.object)
        type_ = request.type.removeprefix(AZURE)
        if not request.type.startswith(AZURE):
            return resource_pb2.RegisterResourceResponse(urn=urn, id=request.name, object=request.object)
        state = Struct()
        state.update(state_of(type_, inputs))
        id_ = kind_of(type_).id(inputs, self._subscription_id)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id_, object=state)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.urn.split("::")[2] == STACK:
            self._recorded.outputs = rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        return Empty()

    def RegisterPackage(self, request: Any, context: Any) -> Any:  # noqa: N802
        return resource_pb2.RegisterPackageResponse(ref=request.name)

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        return Empty()


class Engine(engine_pb2_grpc.EngineServicer):
    """Receives the program's log."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.severity == engine_pb2.ERROR:
            self._recorded.errors.append(request.message)
        return Empty()


@contextmanager
def engine(project: str, stack: str, subscription_id: str, *, preview: bool) -> Generator[tuple[str, Recorded]]:
    """A running fake engine: its address, and what it records."""
    recorded = Recorded()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(
        Monitor(recorded, project, stack, subscription_id, preview=preview), server
    )
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(recorded), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", recorded
    finally:
        server.stop(grace=None).wait()


def _previewed(inputs: Struct) -> Struct:
    """A resource in a preview: its inputs, without the identity, which Azure returns in another form."""
    previewed = Struct()
    previewed.CopyFrom(inputs)
    if "identity" in previewed.fields:
        del previewed.fields["identity"]
    return previewed
