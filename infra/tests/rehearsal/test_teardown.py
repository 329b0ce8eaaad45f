"""The printed commands delete a stage: played in their order, Azure refuses none of them."""

from __future__ import annotations

import shlex

import pytest

from inventory.teardown import commands_of
from tests.conftest import dry_run_of, run_changed
from tests.rehearsal.azure import Azure, Refusal
from tests.rehearsal.engine import Stack
from tests.rehearsal.test_over_time import made, today_of

ENDPOINTS, WORKSPACE = ("az ml online-endpoint", "az ml batch-endpoint"), "machinelearningservices:Workspace"


class Teardown:
    """A stage and the shared stack in one Azure, and what each printed command does to them."""

    def __init__(self, stage: str) -> None:
        self.run = dry_run_of(stage)
        self.shared = made(dry_run_of("shared"))
        self.azure: Azure = self.shared.azure
        self.stage = Stack(self.azure)
        self.stage.up(self.run)
        self.workspace = self.run.one(WORKSPACE).id
        self.azure.endpoints.add(self.workspace.lower())
        self._locked = True

    def play(self, command: str) -> None:
        """Do what a command does."""
        words = shlex.split(command.split("|")[0]) if not command.startswith("#") else []
        if command.startswith(ENDPOINTS):
            self.azure.endpoints.discard(self.workspace.lower())
        elif "infra:locked" in command:
            self._locked = "true" in command
        elif "up --stack shared" in command:
            self.shared.up(dry_run_of("shared") if self._locked else run_changed("shared", {"locked": False}))
        elif "state unprotect" in command:
            self.stage.unprotect()
        elif command.startswith("az ml workspace delete"):
            # By hand, not by Pulumi: locks are on the storage and the vault only.
            assert "--permanently-delete" in words
            self.azure.delete(WORKSPACE, self.workspace)
            self.azure.purge(self.workspace)
        elif "destroy" in words:
            self.stage.destroy()
        elif command.startswith("az keyvault purge"):
            self._purge(words[words.index("--name") + 1])
        else:
            assert command.startswith("# the name "), f"nothing plays {command}"

    def _purge(self, vault: str) -> None:
        (id_,) = [each for each in self.azure.soft_deleted if each.endswith(f"/{vault}")]
        self.azure.purge(id_)


@pytest.mark.parametrize("stage", ["dev", "dev-drift", "staging", "prod", "prod-drift"])
def test_the_printed_commands_delete_a_stage(stage: str) -> None:
    # given a stage with an endpoint
    teardown = Teardown(stage)
    commands = list(commands_of(teardown.run))
    # when the commands are run in their order
    for command in commands:
        teardown.play(command)
    # then only the shared stack is left, locked; and each name that is still taken was said
    shared = {record.id.lower() for record in dry_run_of("shared").resources}
    assert set(teardown.azure.resources) == shared
    taken = {id_.rsplit("/", 1)[1] for id_ in teardown.azure.soft_deleted}
    assert taken == {line.split()[3] for line in commands if line.startswith("# the name ")}
    # and where none is taken, the stage can be made again
    if not taken:
        assert Stack(Azure(today_of(teardown.run))).up(teardown.run)
        assert Stack(teardown.azure).up(teardown.run)


def test_without_the_commands_before_it_destroy_is_refused() -> None:
    teardown = Teardown("staging")
    teardown.stage.unprotect()
    with pytest.raises(Refusal, match=r"ScopeLocked|online endpoints"):
        teardown.stage.destroy()
