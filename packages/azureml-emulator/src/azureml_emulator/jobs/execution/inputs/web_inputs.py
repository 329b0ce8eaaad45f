"""Downloads what a step reads from the web, before it starts: its inputs, and files that its tables name.

A step that reads a table with a library of its own lets that library download; only tables that the emulator reads
itself, of parallel steps and of AutoML, are looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.jobs.definitions.automl import SETTINGS_VARIABLE
from azureml_emulator.jobs.definitions.steps import Data, Step
from azureml_emulator.jobs.execution.inputs.located_tables import addresses_of, located_table
from azureml_emulator.jobs.execution.inputs.resolver import Resolver, is_passed_on
from azureml_emulator.kernel.errors import BadRequest, EmulatorError
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.storage.web_files import Note, WebFiles


class WebInputs:
    """Downloads inputs of steps."""

    def __init__(self, resolver: Resolver, web: WebFiles) -> None:
        self._resolver = resolver
        self._web = web

    async def fetch(self, step: Step, scope: Scope, note: Note) -> None:
        """Download the inputs of a step that are files of the web. Raises BadRequest with the name of the input."""
        for name, step_input in step.inputs.items():
            if isinstance(step_input.source, Data) and not is_passed_on(step, name):
                await self._fetch(step.name, name, step_input.source.uri, scope, note)

    async def with_tables(
        self, step: Step, scope: Scope, paths: Mapping[str, Path], folder: Path, note: Note
    ) -> dict[str, Path]:
        """The paths of the inputs, in which tables that the emulator reads are complete. Raises BadRequest.

        `folder` gets the copies of tables with paths of this machine.
        """
        read = [] if step.parallel is None or not step.parallel.is_table else [step.parallel.input_name]
        if SETTINGS_VARIABLE in step.environment_variables:
            read = list(step.inputs)
        found = dict(paths)
        for name in read:
            for address in addresses_of(paths[name]):
                await self._fetch(step.name, name, address, scope, note)
            found[name] = located_table(paths[name], folder / name, lambda uri: self._resolver.data(uri, scope))
        return found

    async def _fetch(self, step: str, name: str, uri: str, scope: Scope, note: Note) -> None:
        try:
            url = self._resolver.web_address(uri, scope)
            if url is not None:
                await self._web.fetch(url, lambda text: note(f"# Input '{name}': {text}"))
        except EmulatorError as error:
            message = f"The input '{name}' of the step '{step}' cannot be read: {error.message}"
            raise BadRequest(message, code="UserError") from error
