"""Which steps there are, and what is left to do of each.

That is read from Azure and Pulumi every time, so that the command can be run again at any point.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap.shell import BootstrapError, Command, Shell
from dry_run.kinds import kind_of
from dry_run.result import DryRun
from quota import compare

CONTAINER, KEY = "state", "pulumi"
# Needed by what the resources create in turn: policies on the cluster, disks of nodes.
FURTHER_PROVIDERS = {"containerservice:ManagedCluster": ("Microsoft.PolicyInsights", "Microsoft.Compute")}
FEATURE = "EncryptionAtHost"
PLACEHOLDERS = ("stpulumi00000", "kvpulumi00000")
STATES_READ, STATE_PAUSE_SECONDS = 90, 20


@dataclass(frozen=True)
class State:
    """Where Pulumi's state and its key are."""

    subscription: str
    group: str
    location: str
    account: str
    vault: str
    tags: Mapping[str, str]

    @property
    def account_id(self) -> str:
        """The resource id of the storage account."""
        return f"{self._group_id}/Microsoft.Storage/storageAccounts/{self.account}"

    @property
    def vault_id(self) -> str:
        """The resource id of the key vault."""
        return f"{self._group_id}/Microsoft.KeyVault/vaults/{self.vault}"

    @property
    def backend(self) -> str:
        """The address of the state, as `pulumi login` takes it."""
        return f"azblob://{CONTAINER}?storage_account={self.account}"

    @property
    def secrets_provider(self) -> str:
        """The key, as `pulumi stack init` takes it."""
        return f"azurekeyvault://{self.vault}.vault.azure.net/keys/{KEY}"

    @property
    def _group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}/providers"


@dataclass(frozen=True)
class Step:
    """A step: its title, and what computes the commands that are left of it."""

    title: str
    left: Callable[[Shell], Sequence[Command]]
    after: Callable[[Shell], None] | None = None


def default_names(subscription: str, project: str) -> tuple[str, str]:
    """Names for the storage account and the vault: the same in every run, unlikely to be taken."""
    suffix = hashlib.sha256(f"{subscription}/{project}".lower().encode()).hexdigest()[:8]
    return f"stpulumi{suffix}", f"kvpulumi{suffix}"


def all_steps(state: State, runs: Mapping[str, DryRun], ci_file: Path) -> Iterator[Step]:
    """Every step for these stacks, in order."""
    for subscription, needed in _by_subscription(runs).items():
        yield Step(f"Register resource providers in {subscription}", _providers(subscription, needed))
        if "Microsoft.PolicyInsights" in needed:
            yield Step(f"Allow encryption at host in {subscription}; it takes minutes", *_feature(subscription))
    yield from _state_steps(state)
    yield Step(f"Write the names into {ci_file.name}", _names_written(state, ci_file))
    yield Step("Tell Pulumi where its state is", _login(state))
    for stack in runs:
        yield Step(f"Create the stack {stack}", _stack(state, stack))
    for stack in runs:
        yield Step(f"Deploy the stack {stack}; Pulumi shows what it does and asks", _deployed(stack, runs[stack]))


def _by_subscription(runs: Mapping[str, DryRun]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for run in runs.values():
        records = [record for record in run.resources if record.azure]
        needed = found.setdefault(_subscription(run), set())
        for record in records:
            needed.add(kind_of(record.azure_type).arm_type.split("/")[0])
            needed.update(FURTHER_PROVIDERS.get(record.azure_type, ()))
    return found


def _subscription(run: DryRun) -> str:
    group = run.one("resources:ResourceGroup")
    return group.id.split("/")[2]


def _providers(subscription: str, needed: set[str]) -> Callable[[Shell], Sequence[Command]]:
    def left(shell: Shell) -> Sequence[Command]:
        query = "[?registrationState=='Registered'].namespace"
        found = shell.read(*_az(subscription, "provider", "list", "--query", query, "--output", "json"))
        registered = {name.lower() for name in json.loads(found or "[]")}
        missing = sorted(name for name in needed if name.lower() not in registered)
        return [_az(subscription, "provider", "register", "--namespace", name, "--wait") for name in missing]

    return left


def _feature(subscription: str) -> tuple[Callable[[Shell], Sequence[Command]], Callable[[Shell], None]]:
    which = ("--namespace", "Microsoft.Compute", "--name", FEATURE)

    def state(shell: Shell) -> str | None:
        return shell.read(
            *_az(subscription, "feature", "show", *which, "--query", "properties.state", "--output", "tsv")
        )

    def left(shell: Shell) -> Sequence[Command]:
        return [] if state(shell) == "Registered" else [_az(subscription, "feature", "register", *which)]

    def after(shell: Shell) -> None:
        for _ in range(STATES_READ):
            if state(shell) == "Registered":
                again = _az(subscription, "provider", "register", "--namespace", "Microsoft.Compute", "--wait")
                shell.change("Make the feature known", [again])
                return
            shell.pause(STATE_PAUSE_SECONDS)
        raise BootstrapError(f"the feature {FEATURE} is still not registered; run the same command again later")

    return left, after


def _state_steps(state: State) -> Iterator[Step]:
    where = ("--resource-group", state.group)
    tags = ("--tags", *(f"{key}={value}" for key, value in state.tags.items())) if state.tags else ()
    az = state.subscription
    account, vault = ("--name", state.account), ("--name", state.vault)
    named = ("--account-name", state.account)

    def exists(*show: str, create: Sequence[Command]) -> Callable[[Shell], Sequence[Command]]:
        return lambda shell: [] if shell.read(*_az(az, *show, "--query", "id", "--output", "tsv")) else create

    def says_true(*show: str, create: Sequence[Command]) -> Callable[[Shell], Sequence[Command]]:
        return lambda shell: [] if shell.read(*_az(az, *show, "--output", "tsv")) == "true" else create

    group = _az(az, "group", "create", "--name", state.group, "--location", state.location, *tags)
    yield Step("Create the resource group of the state", exists("group", "show", "--name", state.group, create=[group]))
    storage = _az(az, "storage", "account", "create", *account, *where, "--location", state.location, *tags,
        "--sku", "Standard_ZRS", "--allow-shared-key-access", "false", "--allow-blob-public-access", "false",
        "--min-tls-version", "TLS1_2")  # fmt: skip
    yield Step("Create its storage account", exists("storage", "account", "show", *account, *where, create=[storage]))
    versions = ("storage", "account", "blob-service-properties")
    keep = _az(az, *versions, "update", *named, *where, "--enable-versioning", "true",
        "--enable-delete-retention", "true", "--delete-retention-days", "30",
        "--enable-container-delete-retention", "true", "--container-delete-retention-days", "30")  # fmt: skip
    shown = (*versions, "show", *named, *where, "--query", "isVersioningEnabled")
    yield Step("Keep earlier versions of the state", says_true(*shown, create=[keep]))
    yield Step("Let yourself write the state", _role(state, "Storage Blob Data Contributor", state.account_id))
    blob = ("--name", CONTAINER, *named, "--auth-mode", "login")
    container = _az(az, "storage", "container", "create", *blob)
    there = ("storage", "container", "exists", *blob, "--query", "exists")
    yield Step("Create its container", says_true(*there, create=[container]))
    safe = _az(az, "keyvault", "create", *vault, *where, "--location", state.location, *tags,
        "--enable-rbac-authorization", "true", "--enable-purge-protection", "true")  # fmt: skip
    yield Step("Create the key vault", exists("keyvault", "show", *vault, *where, create=[safe]))
    yield Step("Let yourself create keys", _role(state, "Key Vault Crypto Officer", state.vault_id))
    key = ("--vault-name", state.vault, "--name", KEY)
    made = _az(az, "keyvault", "key", "create", *key, "--kty", "RSA", "--size", "2048")
    shown_key = _az(az, "keyvault", "key", "show", *key, "--query", "key.kid", "--output", "tsv")
    yield Step("Create the key that encrypts secrets", lambda shell: [] if shell.read(*shown_key) else [made])


def _role(state: State, role: str, scope: str) -> Callable[[Shell], Sequence[Command]]:
    def left(shell: Shell) -> Sequence[Command]:
        me = shell.read("az", "ad", "signed-in-user", "show", "--query", "id", "--output", "tsv")
        if not me:
            raise BootstrapError("`az ad signed-in-user show` names nobody: log in as a person, `az login`")
        who = ("--assignee", me, "--role", role, "--scope", scope)
        query = ("--query", "length(@)", "--output", "tsv")
        found = shell.read(*_az(state.subscription, "role", "assignment", "list", *who, *query))
        return [] if found not in (None, "", "0") else [_az(state.subscription, "role", "assignment", "create", *who)]

    return left


def _names_written(state: State, file: Path) -> Callable[[Shell], Sequence[Command]]:
    def left(_: Shell) -> Sequence[Command]:
        text = file.read_text(encoding="utf-8")
        changes = [
            ("sed", "-i.bak", f"s/{old}/{new}/", str(file))
            for old, new in zip(PLACEHOLDERS, (state.account, state.vault), strict=True)
            if old in text
        ]
        return [*changes, ("rm", f"{file}.bak")] if changes else []

    return left


def _login(state: State) -> Callable[[Shell], Sequence[Command]]:
    def left(shell: Shell) -> Sequence[Command]:
        found = shell.read_pulumi("whoami", "--json")
        there = json.loads(found).get("url", "") if found else ""
        return [] if there == state.backend else [("pulumi", "login", state.backend)]

    return left


def _stack(state: State, stack: str) -> Callable[[Shell], Sequence[Command]]:
    create = ("pulumi", "stack", "init", stack, "--secrets-provider", state.secrets_provider, "--non-interactive")

    def left(shell: Shell) -> Sequence[Command]:
        found = shell.read_pulumi("stack", "ls", "--json")
        return [] if stack in {each["name"] for each in json.loads(found or "[]")} else [create]

    return left


def _deployed(stack: str, run: DryRun) -> Callable[[Shell], Sequence[Command]]:
    def left(shell: Shell) -> Sequence[Command]:
        found = shell.read_pulumi("stack", "output", "--stack", stack, "--json")
        if json.loads(found or "{}"):
            return []
        _, sentences = compare(run)
        print("\n" + "\n".join(sentences))
        return [("pulumi", "up", "--stack", stack)]

    return left


def _az(subscription: str, *words: str) -> Command:
    return ("az", *words, "--subscription", subscription)
