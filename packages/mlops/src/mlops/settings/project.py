"""project.yml and schema.yml as frozen objects: finds the file, checks Azure's rules, refuses unknown keys.

documents.py reads a file and locates errors in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from mlops.core.documents import CheckedFile, Part, YamlFile, parse_checked, read_checked, require_ascii
from mlops.core.errors import InputError, ProjectError
from mlops.core.layout import EXTENSION_FOLDER, PROJECT_FILE, SCHEMA_FILE
from mlops.settings.rules import ExtensionLimits
from mlops.settings.stages import MOST_STAGES, Server, StageName, StageOrder
from model_package.schema import Schema, Slice
from model_package.schema_file import SchemaFile

Serving = Literal["managed", "kubernetes", "batch"]
HouseRule = Literal[
    "semantic-version", "unused-input", "unused-output", "plain-value", "repeated-key", "recorded-version", "pins",
    "licence", "pre-release", "ignored-field",
]  # fmt: skip
Level = Literal["error", "warning", "off"]
MANAGED: Final[Serving] = "managed"
KUBERNETES: Final[Serving] = "kubernetes"
BATCH: Final[Serving] = "batch"  # files only: a batch endpoint, and no online one
# What stands in the place of everything that only an online endpoint has.
NO_ONLINE_ENDPOINT: Final = "not measured: no online endpoint"
# The datastore that every workspace has.
WORKSPACE_DATASTORE: Final = "workspaceblobstore"


def _must(pattern: str, rule: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, require_ascii(value), re.ASCII):
            raise ValueError(f"'{value}' is not allowed: {rule}")
        return value

    return check


def _rule(pattern: str, rule: str) -> AfterValidator:
    return AfterValidator(_must(pattern, rule))


ProjectName = Annotated[
    str,
    _rule(r"[a-z][a-z0-9-]{1,24}[a-z0-9]", "3 to 26 lower-case letters, digits and hyphens, starting with a letter"),
]
AssetName = Annotated[
    str,
    _rule(r"[a-zA-Z0-9][\w.-]{0,254}", "letters, digits, '.', '_' and '-', starting with a letter or digit"),
]
SubscriptionId = Annotated[
    str,
    _rule(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a GUID; `az account show --query id` prints it"),
]
ResourceGroupName = Annotated[
    str, _rule(r"[\w().-]{0,89}[\w()-]", "at most 90 letters, digits and any of _-().; not ending with '.'")
]
WorkspaceName = Annotated[
    str, _rule(r"[a-zA-Z0-9][\w-]{2,32}", "3 to 33 letters, digits, '_' and '-', starting with a letter or digit")
]
ComputeName = Annotated[
    str, _rule(r"[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]", "2 to 32 letters, digits and '-', starting with a letter")
]
EndpointName = Annotated[
    str,
    _rule(
        r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]",
        "3 to 32 letters, digits and '-', starting with a letter and not ending with '-'",
    ),
]
TopicName = Annotated[str, _rule(r"[a-zA-Z0-9-]{3,50}", "3 to 50 letters, digits and '-'")]
DatastoreName = Annotated[str, _rule(r"[A-Za-z0-9_]{1,255}", "at most 255 letters, digits and '_'")]
IdentityId = Annotated[
    str,
    _rule(
        r"/subscriptions/[^/]+/resource[gG]roups/[^/]+/providers/Microsoft\.ManagedIdentity"
        r"/userAssignedIdentities/[^/]+",
        "the full resource id of a user-assigned identity: /subscriptions/…/userAssignedIdentities/<name>",
    ),
]
ClientId = Annotated[str, _rule(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "the GUID of an identity")]
ConnectionString = Annotated[
    str,
    _rule(
        r"InstrumentationKey=[0-9a-fA-F-]{36}(;\w+=[^;\s]+)*;IngestionEndpoint=https://[^;\s]+(;\w+=[^;\s]+)*;?",
        "the connection string of Application Insights: InstrumentationKey=…;IngestionEndpoint=https://…",
    ),
]
Location = Annotated[str, _rule(r"[a-z0-9]+", "an Azure region in its short form, such as westeurope")]
InstanceCount = Annotated[int, Field(ge=1, le=100)]
# What a deployment runs on: an Azure machine size, or an instance type that the cluster's administrators defined.
_INSTANCE_TYPE: Final[Mapping[str, Callable[[str], str]]] = {
    MANAGED: _must(r"Standard_\w+", "a virtual machine size, such as Standard_DS2_v2"),
    KUBERNETES: _must(
        r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?",
        "an instance type of the cluster, such as defaultinstancetype, not the size of a machine",
    ),
}


class Stage(Part):
    """Where one stage is on Azure, how it is served, and on what.

    With `serving: batch` there is no `endpoint` and there are no instances: files are scored on `compute`. Otherwise
    `instance_count` replicas serve; on Kubernetes up to `max_instances` if given. Deployments act as
    `endpoint_identity`, or as an identity of their endpoint; where `images` is shared, in images that the stage before
    has run. The data they collect go to `collected_datastore`, and traces of requests to `application_insights`, sent
    as the identity whose client id is `endpoint_client_id`.
    Subscribe to `events_topic`, an Event Grid topic of the group, for drift and release events.
    """

    name: StageName
    subscription_id: SubscriptionId
    resource_group: ResourceGroupName
    workspace: WorkspaceName
    location: Location | None = None
    compute: ComputeName
    # First: what the others may be depends on it.
    serving: Serving = MANAGED
    endpoint: Annotated[EndpointName | None, Field(validate_default=True)] = None
    batch_endpoint: Annotated[EndpointName | None, Field(validate_default=True)] = None
    kubernetes_compute: Annotated[ComputeName | None, Field(validate_default=True)] = None
    instance_type: Annotated[str | None, Field(validate_default=True)] = None
    instance_count: Annotated[InstanceCount | None, Field(validate_default=True)] = None
    max_instances: InstanceCount | None = None
    images: Literal["own", "shared"] = "own"
    endpoint_identity: IdentityId | None = None
    endpoint_client_id: ClientId | None = None
    application_insights: ConnectionString | None = None
    collected_datastore: DatastoreName = WORKSPACE_DATASTORE
    events_topic: TopicName | None = None

    @field_validator("endpoint", "instance_type", "instance_count")
    @classmethod
    def _belongs_to_online_serving(cls, value: Any, info: ValidationInfo) -> Any:
        serving = info.data.get("serving")
        if serving == BATCH and value is not None:
            raise ValueError("needs an online endpoint, and serving is batch: only files are scored; remove it")
        if serving in (MANAGED, KUBERNETES) and value is None:
            only = "; a stage that scores only files has `serving: batch`" if info.field_name == "endpoint" else ""
            raise ValueError(f"is missing; add it{only}")
        return value

    @field_validator("batch_endpoint")
    @classmethod
    def _scores_something(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("serving") == BATCH and value is None:
            raise ValueError("is missing: serving is batch; name the endpoint that scores files")
        return value

    @field_validator("kubernetes_compute")
    @classmethod
    def _names_the_cluster(cls, value: str | None, info: ValidationInfo) -> str | None:
        serving = info.data.get("serving")
        if serving == KUBERNETES and value is None:
            raise ValueError("is missing: serving is kubernetes; name the attached compute")
        if serving in (MANAGED, BATCH) and value is not None:
            raise ValueError("needs `serving: kubernetes`; remove it")
        return value

    @field_validator("instance_type")
    @classmethod
    def _matches_serving(cls, value: str | None, info: ValidationInfo) -> str | None:
        # An invalid `serving` is already reported.
        check = _INSTANCE_TYPE.get(info.data.get("serving", ""))
        return check(value) if check and value is not None else value

    @field_validator("max_instances")
    @classmethod
    def _is_a_range(cls, value: int | None, info: ValidationInfo) -> int | None:
        least = info.data.get("instance_count")
        if value is not None and info.data.get("serving") in (MANAGED, BATCH):
            raise ValueError("needs `serving: kubernetes`; managed endpoints are scaled by rules in Azure Monitor")
        if value is not None and least is not None and value < least:
            raise ValueError(f"is {value}, less than instance_count {least}")
        return value

    @property
    def online_endpoint(self) -> str:
        """The online endpoint. Raises InputError where the stage has none."""
        if self.endpoint is None:
            raise InputError(
                f"{self.name} has no online endpoint: its serving is batch",
                f"Score files: `mlops score --stage {self.name} --batch FOLDER --output FOLDER`.",
            )
        return self.endpoint

    @property
    def files_endpoint(self) -> str:
        """The batch endpoint. Raises ProjectError where project.yml names none."""
        if self.batch_endpoint is None:
            raise ProjectError(
                f"project.yml names no batch endpoint for stage {self.name}",
                f"Add `batch_endpoint: {self.endpoint}-files` to it; the name must be unique within an Azure region.",
            )
        return self.batch_endpoint

    @property
    def main_endpoint(self) -> str:
        """The endpoint whose deployment is what the stage runs: the online one, or the batch endpoint without it."""
        return self.endpoint or self.batch_endpoint or ""


class Settings(YamlFile):
    """The content of project.yml. `stages` are in the order in which models move through them.

    `server` answers requests in all of them: Microsoft's inference server, or granian in a custom container.
    `checks` says how strict `mlops check` is about rules of the house, `extensions` what code of extensions/ may take.
    """

    name: ProjectName
    model: AssetName
    data: AssetName
    registry: WorkspaceName
    server: Server = "inference-server"
    stages: Annotated[tuple[Stage, ...], Field(strict=False)]
    checks: Mapping[HouseRule, Level] = Field(default_factory=dict)
    extensions: ExtensionLimits = ExtensionLimits()

    @field_validator("stages", mode="before")
    @classmethod
    def _require_list(cls, value: Any) -> Any:
        if isinstance(value, dict):
            first = next(iter(value), "dev")
            raise ValueError(
                f"has one key per stage, but is a list since format 1, in the order of promotion: write "
                f"`- name: {first}` instead of `{first}:`, with its other keys below it, and so on for each stage"
            )
        return value

    @field_validator("stages")
    @classmethod
    def _has_valid_count(cls, value: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if not 1 <= len(value) <= MOST_STAGES:
            raise ValueError(f"has {len(value)} stages; a project has 1 to {MOST_STAGES}")
        return value

    @property
    def labels(self) -> str:
        """The data asset of the outcomes known for a stage's requests."""
        return f"{self.data}-labels"

    @cached_property
    def order(self) -> StageOrder:
        """The names of the stages, in order."""
        return StageOrder(tuple(stage.name for stage in self.stages))

    def stage(self, name: StageName) -> Stage:
        """The settings of one stage. Raises InputError for an unknown stage."""
        return self.stages[self.order.names.index(self.order.find(name))]


class Project(BaseModel):
    """A project folder and its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Path
    settings: Settings

    @property
    def order(self) -> StageOrder:
        """The names of the stages, in order."""
        return self.settings.order

    def path(self, relative: Path) -> Path:
        """A file or folder of the project."""
        return self.root / relative

    def required_file(self, relative: Path) -> Path:
        """A file that the project must have. Raises ProjectError if it is missing."""
        file = self.root / relative
        if not file.is_file():
            raise ProjectError(f"{file} does not exist", f"Restore it: `git checkout -- {relative.as_posix()}`.")
        return file


def find_project_file(start: Path) -> Path:
    """The project.yml in `start` or in the nearest folder above it. Raises ProjectError if there is none."""
    folder = start.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / PROJECT_FILE).is_file():
            return candidate / PROJECT_FILE
    raise ProjectError(
        f"there is no {PROJECT_FILE} in {folder} or in a folder above it",
        "Change to the project's folder, or name it: `mlops --project PATH …`.",
    )


def load_project(given: Path | None = None) -> Project:
    """Read the project that `given` (a folder or its project.yml) names, else the one containing the working folder.

    Its extensions are used from now on. Raises ProjectError, with file, line and key of everything that is wrong.
    """
    file = project_file(given)
    project = Project(root=file.resolve().parent, settings=read_settings(file))
    project.settings.extensions.use(project.path(EXTENSION_FOLDER))
    return project


def project_file(given: Path | None = None) -> Path:
    """The project.yml that `load_project` reads, which may have mistakes. Raises ProjectError if there is none."""
    if given is None:
        return find_project_file(Path.cwd())
    file = given / PROJECT_FILE if given.is_dir() else given
    if not file.is_file():
        raise ProjectError(f"{file} does not exist", f"Give the folder that contains {PROJECT_FILE}.")
    return file


def read_settings(file: Path) -> Settings:
    """Read and check one project.yml. Raises ProjectError."""
    return _with_different_names(read_checked(file, Settings))


def parse_settings(text: str) -> Settings:
    """Check the text of a project.yml at some revision. Raises ProjectError."""
    return _with_different_names(parse_checked(text, Path(PROJECT_FILE), Settings))


def _with_different_names(checked: CheckedFile[Settings]) -> Settings:
    names = checked.value.order.names
    checked.refuse(
        [
            (("stages", index, "name"), f"'{name}' is already the name of a stage above; names must differ")
            for index, name in enumerate(names)
            if name in names[:index]
        ]
    )
    return checked.value


_SLICES = "slices"


def read_project_schema(root: Path) -> Schema:
    """Read schema.yml of the project below `root`. Raises ProjectError naming file, line, key and what to do."""
    return read_checked(root / SCHEMA_FILE, SchemaFile).value.schema_of_columns()


def slices_context(schema: Schema) -> Mapping[str, Any]:
    """Return the context in which a file of rules may name the slices of a schema."""
    return {_SLICES: {each.name: each for each in schema.slices}}


def named_slice(name: Any, context: Mapping[str, Any] | None) -> Slice:
    """Return the slice that a file of rules names. Raises ValueError for an unknown one."""
    known: Mapping[str, Slice] = (context or {})[_SLICES]
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"schema.yml defines no slice {name!r}; it defines {', '.join(known) or 'none'}")
    return known[name]
