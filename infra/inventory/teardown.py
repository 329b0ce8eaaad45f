"""`uv run mlops infra teardown --stage staging`: the commands that delete a stage, in order.

Printed, not run: each deletes something. The order is the one in which Azure refuses nothing (tests/rehearsal/).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from dry_run.result import DryRun
from dry_run.run import run_stack
from naming import SHARED
from settings.project import read_stages
from settings.reading import SettingsError

WORKSPACE, VAULT = "machinelearningservices:Workspace", "keyvault:Vault"
LOCK_OFF = "# infra:locked: false in infra/Pulumi.shared.yaml: its lock keeps the stage's rights on the registry"
LOCK_ON = "# infra:locked: true in infra/Pulumi.shared.yaml"
UP_SHARED = f"pulumi --cwd infra up --stack {SHARED}"


def commands_of(run: DryRun) -> Iterator[str]:
    """The commands that delete a stage; lines that begin with `#` are edits by hand, or say what stays."""
    workspace = run.one(WORKSPACE)
    where = f"--resource-group {workspace.inputs['resourceGroupName']}"
    inside = f"--workspace-name {workspace.inputs['workspaceName']} {where}"
    # What `mlops` created is not Pulumi's, and a workspace with endpoints cannot be deleted.
    for kind in ("online", "batch"):
        yield (
            f"az ml {kind}-endpoint list {inside} --query '[].name' --output tsv | "
            f"xargs -I NAME az ml {kind}-endpoint delete --name NAME {inside} --yes"
        )
    yield LOCK_OFF
    yield UP_SHARED
    yield f"pulumi --cwd infra state unprotect --all --stack {run.stack} --yes"
    # By itself a deleted workspace can be recovered for 14 days, and keeps its name; Pulumi cannot ask for more.
    yield f"az ml workspace delete --name {workspace.inputs['workspaceName']} {where} --permanently-delete --yes"
    yield f"pulumi --cwd infra destroy --stack {run.stack}"
    for vault in run.of(VAULT):
        name, properties = vault.inputs["vaultName"], vault.inputs["properties"]
        if properties.get("enablePurgeProtection"):
            days = int(properties["softDeleteRetentionInDays"])
            yield f"# the name {name} is free again in {days} days; before that, raise infra:naming → generation"
        else:
            yield f"az keyvault purge --name {name}"
    yield LOCK_ON
    yield UP_SHARED


def main() -> int:
    """Print the commands; 2 when the settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="mlops infra teardown", description="Print the commands that delete a stage, in order. Runs none of them."
    )
    parser.add_argument("--stage", choices=read_stages().names, required=True)
    try:
        print("\n".join(commands_of(run_stack(parser.parse_args().stage))))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
