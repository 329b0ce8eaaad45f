"""The one place that turns errors of Azure's SDKs into this project's, with what to do next.

Imported only after something of Azure was imported; returns None for errors that are not Azure's.
"""

from __future__ import annotations

from http import HTTPStatus

from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from mlops.core.errors import MlopsError, WorkspaceError

_LOG_IN = 'Log in with `az login`, or use a workspace on this machine: `mlops up`, then `eval "$(mlops env)"`.'
_FORBIDDEN = "Ask for the role `AzureML Data Scientist` on the workspace; check the subscription in project.yml."
_UNREACHABLE = 'Check the network; for a workspace on this machine run `mlops up` and `eval "$(mlops env)"` again.'
_NOT_FOUND = "Check the names of this stage in project.yml; `mlops status` shows what exists."
_LATER = "Wait a minute and run the command again; it continues where it stopped."
_NO_ROOM = "Free some space on that disk and run the command again; it continues where it stopped."
_MESSAGE_LINES = 40


def explain(error: BaseException) -> MlopsError | None:
    """The error as a MlopsError; None if it is not Azure's."""
    match error:
        case ClientAuthenticationError():
            return WorkspaceError(f"not logged in to Azure: {_first_line(error)}", _LOG_IN)
        case ServiceRequestError() | ServiceResponseError():
            return WorkspaceError(f"the workspace cannot be reached: {_first_line(error)}", _UNREACHABLE)
        case ResourceNotFoundError():
            return WorkspaceError(_service_message(error), _NOT_FOUND)
        case HttpResponseError():
            return WorkspaceError(_service_message(error), _advice(error.status_code))
        case MlException():
            return _from_sdk(error)
        case _:
            return None


def _advice(status: int | None) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return _LOG_IN
        case HTTPStatus.FORBIDDEN:
            return _FORBIDDEN
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return _LATER
        case HTTPStatus.INSUFFICIENT_STORAGE:
            return _NO_ROOM
        case _:
            return ""


def _from_sdk(error: MlException) -> MlopsError:
    # The SDK wraps the service's message, which says more than the wrapper.
    inner = error.__cause__ or error.inner_exception
    if isinstance(inner, BaseException) and inner is not error:
        explained = explain(inner)
        if explained is not None:
            return explained
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return WorkspaceError(lines[0] if lines else type(error).__name__, "", tuple(lines[1:_MESSAGE_LINES]))


def service_message(error: HttpResponseError) -> str:
    """The service's message, without the SDK's wrapping."""
    return _service_message(error)


def _service_message(error: HttpResponseError) -> str:
    service = getattr(error, "error", None)
    code, message = getattr(service, "code", None), getattr(service, "message", None)
    if message:
        return f"{code}: {message}" if code else str(message)
    return str(error.message or error).strip()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
