"""MLflow's model registry over HTTP: parameters of a request in, and a status and a document in MLflow's format out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azureml_emulator.jobs.tracking.gateway import parameters
from azureml_emulator.kernel.errors import (
    BadRequest,
    Conflict,
    EmulatorError,
    Forbidden,
    NotFound,
    NotModelled,
    Unauthorized,
    Unavailable,
)
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.resources.model_registry.registry import PREFIXES, ModelRegistry

# As MLflow names errors, with its status codes.
_CODES: tuple[tuple[type[EmulatorError], str, int], ...] = (
    (NotFound, "RESOURCE_DOES_NOT_EXIST", 404),
    (Conflict, "RESOURCE_ALREADY_EXISTS", 400),
    (BadRequest, "INVALID_PARAMETER_VALUE", 400),
    (Unauthorized, "UNAUTHENTICATED", 401),
    (Forbidden, "PERMISSION_DENIED", 403),
    (NotModelled, "NOT_IMPLEMENTED", 501),
    (Unavailable, "TEMPORARILY_UNAVAILABLE", 503),
)


@dataclass(frozen=True)
class Answer:
    """A reply: its status and its JSON."""

    status: int
    document: dict[str, Any]


class RegistryApi:
    """Answers the routes of the model registry."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    @staticmethod
    def answers(route: str) -> bool:
        """Whether a route of MLflow's API, such as "registered-models/create", belongs to the registry."""
        return route.startswith(PREFIXES)

    async def answer(
        self, scope: Scope, method: str, route: str, query: Sequence[tuple[str, str]], body: bytes
    ) -> Answer:
        """Answer one request; errors are answers as well."""
        try:
            return Answer(200, await self._registry.answer(scope, method, route, parameters(query, body)))
        except EmulatorError as error:
            return self.refusal(error)
        except ValueError as error:
            return self.refusal(BadRequest(f"The request is not valid JSON: {error}"))

    @staticmethod
    def refusal(error: EmulatorError) -> Answer:
        """An error in MLflow's format."""
        for kind, code, status in _CODES:
            if isinstance(error, kind):
                return Answer(status, {"error_code": code, "message": error.message})
        return Answer(error.status, {"error_code": "INTERNAL_ERROR", "message": error.message})
