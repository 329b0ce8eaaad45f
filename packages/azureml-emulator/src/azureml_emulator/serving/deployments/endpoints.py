"""Online endpoints as resources: keys, tokens, addresses, and the traffic between their deployments.

Keys are kept beside the document, never in it. Servers are `servers/fleet.py`'s, requests the router's.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from azureml_emulator.kernel.behaviours import Action, Behaviour, Stored, with_state
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import BadRequest, Conflict, NotFound
from azureml_emulator.kernel.kinds import Kind
from azureml_emulator.kernel.operations import Operations
from azureml_emulator.kernel.resource_id import ResourcePath, Scope, parse_resource_path
from azureml_emulator.kernel.service_fields import capitalised
from azureml_emulator.kernel.store import Resource, Store
from azureml_emulator.resources.endpoint_names import refuse_taken_name
from azureml_emulator.resources.kubernetes import KUBERNETES, MANAGED, check_fit
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.serving.routing.traffic import Split, read_split
from azureml_emulator.serving.servers.fleet import Deployment, Fleet

KIND = "onlineendpoints"
DEPLOYMENT_KIND = "onlineendpoints/deployments"
ENDPOINTS_PREFIX = "/endpoints/"
AAD_AUDIENCE = "https://ml.azure.com"
AUTH_MODES = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
_SCORING_PATH = "/score"
_DELETING = "Deleting"
BUSY = ("Creating", "Updating", _DELETING)
_KEY_LENGTH = 32
_KEY_LETTERS = string.ascii_letters + string.digits
_KEY_NAMES = {"primary": "primaryKey", "secondary": "secondaryKey"}


@dataclass
class Endpoint:
    """What the router needs of an endpoint; replaced whenever the resource changes."""

    name: str
    key: str
    auth_mode: str
    keys: tuple[bytes, ...]
    audience: str
    split: Split
    deployments: dict[str, Deployment] = field(default_factory=dict)


class Endpoints(Behaviour):
    """The behaviour of onlineEndpoints, and the directory of endpoints for the router."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        operations: Operations,
        fleet: Fleet,
        tokens: Tokens,
        base_url: str,
        *,
        one_at_a_time: bool = False,
    ) -> None:
        super().__init__(store, clock)
        self._operations = operations
        self._fleet = fleet
        self._tokens = tokens
        self._base_url = base_url
        self._one_at_a_time = one_at_a_time
        self._directory: dict[tuple[str, str], Endpoint] = {}

    async def put(self, kind: Kind, path: ResourcePath, body: dict[str, Any]) -> Stored:
        """Create or change an endpoint. Raises BadRequest, InvalidTraffic or Conflict as Azure does."""
        self.refuse_busy(path)
        existing = self.store.get(path.key)
        given: dict[str, Any] = {"publicNetworkAccess": "Enabled", **body.get("properties", {})}
        given_keys = given.pop("keys", None) or {}
        properties = capitalised(given, "publicNetworkAccess")
        properties["authMode"] = _auth_mode(properties, existing)
        properties.setdefault("properties", {})
        properties["traffic"] = properties.get("traffic") or {}
        properties["mirrorTraffic"] = properties.get("mirrorTraffic") or {}
        self._check_compute(path, properties, existing)
        self._read_split(path, properties)
        refuse_taken_name(self.store, KIND, path, body.get("location"), "an endpoint")
        kept = existing.internal["keys"] if existing else _new_keys(given_keys)
        draft = self.draft(kind, path, {**body, "properties": properties}, existing, keys=kept)
        resource = self.store.put(draft)
        self.refresh(resource)
        return Stored(resource, created=existing is None)

    async def delete(self, resource: Resource) -> Stored:
        """Stop and delete every deployment, then the endpoint. Raises Conflict as Azure does."""
        self.refuse_busy(parse_resource_path(resource.id))
        self.store.put(with_state(resource, _DELETING))
        self._forget(resource)
        return Stored(None, operation=self._operations.start(resource.key, self._delete(resource)))

    def present(self, resource: Resource) -> dict[str, Any]:
        """The document, with addresses of this process."""
        scope = parse_resource_path(resource.id).scope
        base = f"{self._base_url}{ENDPOINTS_PREFIX}{scope.guid}/{resource.name}"
        addresses = {"scoringUri": f"{base}{self._scoring_path(resource)}", "swaggerUri": f"{base}/swagger.json"}
        kind = {} if resource.properties.get("compute") else {"kind": MANAGED}
        return {**kind, **resource.document, "properties": {**resource.properties, **addresses}}

    def _scoring_path(self, resource: Resource) -> str:
        """The path of the deployment with the most traffic; that of the inference server unless it is a container."""
        traffic = resource.properties.get("traffic") or {}
        children = self.store.children(resource.key, DEPLOYMENT_KIND)
        for child in sorted(children, key=lambda child: -traffic.get(child.name, 0)):
            active = child.internal.get("active")
            if active:
                return (
                    active["container"]["routes"]["scoringRoute"]["path"] if active.get("container") else _SCORING_PATH
                )
        return _SCORING_PATH

    def actions(self) -> dict[str, Action]:
        """listKeys, regenerateKeys and token."""
        return {"listkeys": self._list_keys, "regeneratekeys": self._regenerate_keys, "token": self._token}

    def find(self, guid: str, name: str) -> Endpoint | None:
        """The endpoint of a scoring address; names are compared without case."""
        return self._directory.get((guid.lower(), name.lower()))

    def load(self) -> None:
        """At start: fill the directory from the store; an interrupted deletion has failed."""
        for resource in self.store.of_kind(KIND):
            cut_off = resource.properties["provisioningState"] == _DELETING
            self.refresh(self.store.put(with_state(resource, "Failed")) if cut_off else resource)

    def refresh(self, resource: Resource) -> None:
        """Update the router's directory for an endpoint and its deployments."""
        path = parse_resource_path(resource.id)
        deployments = {}
        for child in self.store.children(resource.key, DEPLOYMENT_KIND):
            serving = self._fleet.get(child.key)
            if serving is not None:
                deployments[child.name] = serving
        keys = resource.internal["keys"]
        self._directory[path.scope.guid, resource.name.lower()] = Endpoint(
            name=resource.name,
            key=resource.key,
            auth_mode=resource.properties["authMode"],
            keys=tuple(keys[name].encode() for name in _KEY_NAMES.values()),
            audience=_audience(resource),
            split=self._read_split(path, resource.properties),
            deployments=deployments,
        )

    def refresh_parent(self, deployment: ResourcePath) -> None:
        """Update the router's directory for the endpoint of a deployment."""
        resource = self.store.get(deployment.parent.key)
        if resource is not None:
            self.refresh(resource)

    def refuse_busy(self, path: ResourcePath) -> None:
        """Raise Conflict while an operation on this endpoint runs; with `one_at_a_time` also one on its deployments."""
        endpoint = self.store.get(path.key)
        if endpoint is None:
            return
        children = self.store.children(path.key, DEPLOYMENT_KIND) if self._one_at_a_time else []
        for each in (endpoint, *children):
            state = each.properties["provisioningState"]
            if state in BUSY:
                raise Conflict(
                    f"Another operation on the endpoint '{path.name}' is in progress ({each.name} is {state}). "
                    "Wait until it has ended."
                )

    def check_fit(self, deployment: ResourcePath, request: dict[str, Any]) -> None:
        """Raise BadRequest when a deployment does not fit the compute of its endpoint."""
        endpoint = self.store.get(deployment.parent.key)
        if endpoint is None:
            raise NotFound(f"{deployment.parent.id} does not exist.", code="ResourceNotFound")
        check_fit(endpoint, self.store.get(endpoint.properties.get("compute") or ""), request)

    def _read_split(self, path: ResourcePath, properties: dict[str, Any]) -> Split:
        children = self.store.children(path.key, DEPLOYMENT_KIND)
        return read_split(
            properties.get("traffic"),
            properties.get("mirrorTraffic"),
            existing=[child.name for child in children],
            serving=[child.name for child in children if child.internal.get("active")],
        )

    def _check_compute(self, path: ResourcePath, properties: dict[str, Any], existing: Resource | None) -> None:
        given = properties.get("compute") or None
        before = existing.properties.get("compute") if existing is not None else given
        if _lower(before) != _lower(given):
            raise BadRequest(
                f"The compute of an endpoint cannot change (from {before or MANAGED} to {given or MANAGED}): "
                "delete the endpoint, or create another one.",
                target="compute",
            )
        if given is None:
            return
        if any(properties["mirrorTraffic"].values()):
            raise BadRequest(
                f"The endpoint '{path.name}' is on Kubernetes, where traffic cannot be mirrored.",
                target="mirrorTraffic",
            )
        compute = self.store.get(given)
        if compute is None or compute.properties.get("computeType") != KUBERNETES:
            raise BadRequest(
                f"The endpoint's compute, {given}, is not a Kubernetes compute of this workspace: attach the cluster.",
                target="compute",
            )

    async def _delete(self, resource: Resource) -> None:
        for child in self.store.children(resource.key, DEPLOYMENT_KIND):
            await self._fleet.remove(child.key)
        self.store.delete(resource.key)

    def _forget(self, resource: Resource) -> None:
        self._directory.pop((_scope(resource).guid, resource.name.lower()), None)

    async def _list_keys(self, resource: Resource, _: dict[str, Any]) -> dict[str, Any]:
        if resource.properties["authMode"] != AUTH_MODES["key"]:
            raise BadRequest(f"The endpoint '{resource.name}' does not use keys for authentication.")
        return dict(resource.internal["keys"])

    async def _regenerate_keys(self, resource: Resource, body: dict[str, Any]) -> Stored:
        kind = str(body.get("keyType", "")).lower()
        if kind not in _KEY_NAMES:
            raise BadRequest(f"keyType is '{body.get('keyType')}'; it must be Primary or Secondary.", target="keyType")
        keys = dict(resource.internal["keys"])
        # The SDK sends the current key: only a different value is a new key.
        given = body.get("keyValue")
        keys[_KEY_NAMES[kind]] = given if given and given not in keys.values() else _new_key()
        changed = self.store.put(resource.with_internal(keys=keys))
        self.refresh(changed)
        return Stored(changed)

    async def _token(self, resource: Resource, _: dict[str, Any]) -> dict[str, Any]:
        if resource.properties["authMode"] != AUTH_MODES["amltoken"]:
            raise BadRequest(f"The endpoint '{resource.name}' does not use Azure ML tokens for authentication.")
        token = self._tokens.issue(_audience(resource))
        now = int(self.clock.now().timestamp())
        return {
            "accessToken": token.text,
            "expiryTimeUtc": token.expires,
            "refreshAfterTimeUtc": (now + token.expires) // 2,
            "tokenType": "Bearer",
        }


def _scope(resource: Resource) -> Scope:
    return parse_resource_path(resource.id).scope


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None


def _audience(resource: Resource) -> str:
    if resource.properties["authMode"] == AUTH_MODES["aadtoken"]:
        return AAD_AUDIENCE
    return f"{AAD_AUDIENCE}{resource.key}"


def _auth_mode(properties: dict[str, Any], existing: Resource | None) -> str:
    given = str(properties.get("authMode") or "")
    mode = AUTH_MODES.get(given.lower())
    if mode is None:
        known = ", ".join(AUTH_MODES.values())
        raise BadRequest(f"authMode is '{given}'; it must be one of {known}.", target="authMode")
    if existing is not None and existing.properties["authMode"] != mode:
        before = existing.properties["authMode"]
        raise BadRequest(f"The authMode of an endpoint cannot change (from {before} to {mode}).", target="authMode")
    return mode


def _new_keys(given: dict[str, Any]) -> dict[str, str]:
    return {name: given.get(name) or _new_key() for name in _KEY_NAMES.values()}


def _new_key() -> str:
    return "".join(secrets.choice(_KEY_LETTERS) for _ in range(_KEY_LENGTH))
