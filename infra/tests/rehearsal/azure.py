"""Azure's side of the rehearsal: what exists, what is only soft-deleted, and the refusals that depend on time.

Each refusal is one that Azure documents or that users have reported; `source` of a Refusal says where.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from dry_run.result import ResourceRecord
from known_differences import DIFFERENCES
from resources.create_only import CREATE_ONLY
from tests.rehearsal.paths import changed_paths, is_below, set_at

LOCK, ASSIGNMENT = "authorization:ManagementLockByScope", "authorization:RoleAssignment"
BUDGET, POLICY = "consumption:Budget", "storage:BlobContainerImmutabilityPolicy"
WORKSPACE, VAULT, COMPUTE = "machinelearningservices:Workspace", "keyvault:Vault", "machinelearningservices:Compute"
CONTAINER = "storage:BlobContainer"
SINGLETONS = {"storage:BlobServiceProperties", "storage:FileServiceProperties"}
DOCS = "https://learn.microsoft.com/azure"


class Refusal(Exception):
    """Azure refused a request: its code, its message, and where that is documented."""

    def __init__(self, code: str, message: str, source: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.source = source


@dataclass
class Azure:
    """The resources of all stacks by id, in lower case, with their type and what was sent."""

    today: date
    resources: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    soft_deleted: dict[str, str] = field(default_factory=dict)
    """Id → type of what was deleted and can be recovered: its name is taken."""
    endpoints: set[str] = field(default_factory=set)
    """Ids of the workspaces in which `mlops` has made an endpoint."""

    def create(self, record: ResourceRecord) -> None:
        """Create a resource, or overwrite one of the same id. Raises Refusal."""
        id_, type_, inputs = record.id.lower(), record.azure_type, record.inputs
        if self.soft_deleted.get(id_) in (WORKSPACE, VAULT):
            raise Refusal(
                "Conflict",
                f"Soft-deleted {type_} exists. Please purge or recover it: {record.id}",
                f"{DOCS}/machine-learning/concept-soft-delete",
            )
        self.soft_deleted.pop(id_, None)
        if type_ == BUDGET:
            self._budget(id_, inputs)
        if type_ == ASSIGNMENT:
            self._assignment(id_, inputs)
        self.resources[id_] = (type_, copy.deepcopy(inputs))

    def update(self, record: ResourceRecord) -> None:
        """Overwrite a resource. Raises Refusal."""
        id_, type_ = record.id.lower(), record.azure_type
        if type_ in (BUDGET, POLICY):
            raise Refusal(
                "PreconditionFailed",
                f"There are changes made to {record.name}; get the latest eTag to avoid overwrite",
                "https://github.com/pulumi/pulumi-azure-native/issues/2156",
            )
        if type_ == COMPUTE:  # accepted, and ignored
            return
        for path in changed_paths(self.resources[id_][1], record.inputs):
            self._require_changeable(type_, path)
        self.create(record)
        self.resources[id_] = (type_, copy.deepcopy(record.inputs))

    def delete(self, type_: str, id_: str) -> None:
        """Delete a resource and what is inside it; what does not exist is deleted already. Raises Refusal."""
        id_ = id_.lower()
        if id_ not in self.resources:
            return
        if type_ != LOCK:
            self._require_unlocked(id_)
        if type_ == POLICY or (type_ == CONTAINER and self._below(id_, POLICY)):
            raise Refusal(
                "PreconditionFailed",
                f"{id_}: the container is under retention, and the request has no eTag",
                "https://github.com/pulumi/pulumi-azure-native/issues/2156",
            )
        if type_ == WORKSPACE and id_ in self.endpoints:
            raise Refusal(
                "Conflict",
                "The workspace has online endpoints; delete them first",
                f"{DOCS}/machine-learning/how-to-manage-workspace",
            )
        if type_ in SINGLETONS:  # reset to its defaults, with what is below it in place
            del self.resources[id_]
            return
        for below in [each for each in self.resources if each == id_ or each.startswith(f"{id_}/")]:
            kind, _ = self.resources.pop(below)
            if kind in (WORKSPACE, VAULT):
                self.soft_deleted[below] = kind

    def purge(self, id_: str) -> None:
        """Delete a soft-deleted resource for good, which frees its name."""
        self.soft_deleted.pop(id_.lower(), None)

    def read(self, id_: str) -> dict[str, Any] | None:
        """What Azure returns for a resource: what was sent, and what is documented to differ. None: it is gone."""
        if id_.lower() not in self.resources:
            return None
        type_, inputs = self.resources[id_.lower()]
        returned = copy.deepcopy(inputs)
        for difference in DIFFERENCES:
            if difference.type_ == type_:
                set_at(returned, difference.path, difference.returned)
        return returned

    def _budget(self, id_: str, inputs: Mapping[str, Any]) -> None:
        start = str(inputs["timePeriod"]["startDate"])
        if id_ not in self.resources and not start.startswith(f"{self.today:%Y-%m}-01"):
            raise Refusal(
                "InvalidTimePeriod",
                f"the start date {start} is not in the current month",
                "https://github.com/hashicorp/terraform-provider-azurerm/pull/12121",
            )

    def _assignment(self, id_: str, inputs: Mapping[str, Any]) -> None:
        earlier = self.resources.get(id_)
        if earlier is not None and earlier[1]["principalId"] != inputs["principalId"]:
            raise Refusal(
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated",
                "https://github.com/Azure/bicep-registry-modules/pull/4802",
            )

    def _require_changeable(self, type_: str, path: str) -> None:
        for fixed in CREATE_ONLY:
            if type_ == fixed.type_ and is_below(path, fixed.path):
                raise Refusal("PropertyChangeNotAllowed", f"{path} of {type_}: {fixed.reason}", fixed.source)

    def _require_unlocked(self, id_: str) -> None:
        for type_, lock in self.resources.values():
            scope = str(lock["scope"]).lower() if type_ == LOCK else ""
            if scope and (id_ == scope or id_.startswith(f"{scope}/")):
                raise Refusal(
                    "ScopeLocked",
                    f"cannot perform delete operation because {lock['lockName']} locks {scope}",
                    f"{DOCS}/azure-resource-manager/management/lock-resources",
                )

    def _below(self, id_: str, type_: str) -> bool:
        return any(kind == type_ for other, (kind, _) in self.resources.items() if other.startswith(f"{id_}/"))
