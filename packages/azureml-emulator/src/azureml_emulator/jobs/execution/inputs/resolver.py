"""Resolves the references of a step: inputs, code, environment, model. Reads, changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from azureml_emulator.jobs.definitions.steps import DIRECT, VALUE_TYPES, Data, FromStep, Literal, Step
from azureml_emulator.jobs.definitions.wire import check_literal
from azureml_emulator.kernel.errors import BadRequest, EmulatorError, NotFound
from azureml_emulator.kernel.references import CURATED_PREFIX, REGISTRY_PREFIX
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.web_files import WebFiles

_CONTENT = ("image", "condaFile", "build")
_FOLDERS = frozenset({"uri_folder", "mltable"})


class Resolver:
    """Resolves the references of steps in a scope."""

    def __init__(self, locator: Locator, web: WebFiles) -> None:
        self._locator = locator
        self._web = web

    def environment(self, step: Step, scope: Scope) -> dict[str, Any]:
        """The environment of a step: its name, its version, and its content. Raises NotFound."""
        if step.environment is None:
            return {}
        if step.environment.lower().startswith(CURATED_PREFIX):
            # Curated environments exist on Azure only; here this interpreter runs anyway.
            return {"name": step.environment, "version": None}
        resource = self._locator.asset(step.environment, "environments", scope)
        parts = resource.id.split("/")
        found = {name: resource.properties[name] for name in _CONTENT if resource.properties.get(name)}
        return {"name": parts[-3], "version": parts[-1], **found}

    def code(self, step: Step, scope: Scope) -> Path | None:
        """The folder of a step's code snapshot, or None. Raises NotFound."""
        if step.code is None:
            return None
        folder = self._locator.content(self._locator.asset(step.code, "codes", scope))
        if not folder.is_dir():
            raise NotFound(f"The code of the step '{step.name}' was not uploaded: {step.code} has no files.")
        return folder

    def model(self, step: Step, scope: Scope) -> Path | None:
        """The folder above the registered model of a batch deployment's step; None for others. Raises NotFound."""
        if step.parallel is None or step.parallel.model is None:
            return None
        return self._locator.content(self._locator.asset(step.parallel.model, "models", scope)).parent

    def registry_assets(self, step: Step, scope: Scope) -> None:
        """Raise NotFound or NotModelled for an input that is an asset of a registry, and not there."""
        for each in step.inputs.values():
            if isinstance(each.source, Data) and each.source.uri.lower().startswith(REGISTRY_PREFIX):
                self._locator.asset(each.source.uri, "data", scope)

    def paths(self, step: Step, scope: Scope, earlier: dict[str, dict[str, Path]]) -> dict[str, Path]:
        """The paths of a step's data inputs. `earlier` has the outputs of other steps. Raises BadRequest."""
        found: dict[str, Path] = {}
        for name, step_input in step.inputs.items():
            match step_input.source:
                case FromStep(step=before, output=output):
                    path = earlier[before].get(output)
                case Data(uri=uri):
                    if is_passed_on(step, name) and self.web_address(uri, scope):
                        continue
                    path = self._data(step.name, name, uri, scope)
                    if step_input.type in _FOLDERS and path.is_file() and self.web_address(uri, scope):
                        # Of the web there is one file, which a step that expects a folder finds in one.
                        path = path.parent
                case Literal():
                    continue
            if path is None or not path.exists():
                raise BadRequest(
                    f"The input '{name}' of the step '{step.name}' does not exist: {_origin(step_input.source)}.",
                    code="UserError",
                )
            found[name] = path
        return found

    def data(self, uri: str, scope: Scope) -> Path:
        """The path of the data at an address; that of the web was downloaded before. Raises EmulatorError."""
        url = self.web_address(uri, scope)
        return self._web.path(url) if url is not None else self._locator.path(uri, scope)

    def web_address(self, uri: str, scope: Scope) -> str | None:
        """The address of the web that data is at; None for data in the emulator's storage. Raises EmulatorError."""
        return self._locator.web_address(uri, scope)

    def passed_on(self, step: Step, scope: Scope) -> dict[str, str]:
        """The addresses of the web that a step gets as they are, by input. Raises EmulatorError."""
        given = {name: each.source for name, each in step.inputs.items() if is_passed_on(step, name)}
        found = {
            name: self.web_address(source.uri, scope) for name, source in given.items() if isinstance(source, Data)
        }
        return {name: url for name, url in found.items() if url is not None}

    def _data(self, step: str, name: str, uri: str, scope: Scope) -> Path:
        try:
            return self.data(uri, scope)
        except EmulatorError as error:
            message = f"The input '{name}' of the step '{step}' cannot be read: {error.message}"
            raise BadRequest(message, code="UserError") from error


def is_passed_on(step: Step, name: str) -> bool:
    """Whether a step gets an address rather than a path: the mode "direct". Parallel and Spark steps need files."""
    return step.inputs[name].mode == DIRECT and step.parallel is None and step.spark is None


def values(step: Step, paths: dict[str, Path], addresses: dict[str, str]) -> dict[str, str]:
    """The value of each input in the command: text, a path, or an address in the mode "direct".

    Spark opens addresses by itself on Azure; Sail is given paths instead.

    The text of an input that another step wrote is read from its file. Raises BadRequest for one of another type.
    """
    given = {}
    for name, step_input in step.inputs.items():
        if isinstance(step_input.source, Literal):
            given[name] = step_input.source.text
        elif step_input.type in VALUE_TYPES:
            given[name] = paths[name].read_text(encoding="utf-8").strip()
            check_literal(given[name], {"type": step_input.type}, f"The input '{name}' of the step '{step.name}'")
        elif is_passed_on(step, name):
            given[name] = addresses.get(name) or (step_input.source.uri if isinstance(step_input.source, Data) else "")
        else:
            given[name] = str(paths[name])
    return given


def _origin(source: Data | FromStep | Literal) -> str:
    match source:
        case FromStep(step=before, output=output):
            return f"the step '{before}' did not write its output '{output}'"
        case Data(uri=uri):
            return uri
        case Literal(text=text):
            return text
