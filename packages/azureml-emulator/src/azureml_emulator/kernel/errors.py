"""Every error that the emulator answers, as one tree, and the one place that renders it in Azure's error shape.

    EmulatorError
    ├── BadRequest 400          the request itself is wrong
    │   └── InvalidTraffic 400  a traffic split that does not add up, or an unknown deployment
    ├── Unauthorized 401        no token, or a wrong key
    ├── Forbidden 403           a signature that does not cover the request
    ├── NotFound 404            no such resource
    ├── Conflict 409            what exists is different, or busy
    ├── LengthRequired 411      a body of unknown length
    ├── PreconditionFailed 412  a condition of the request does not hold
    ├── TooLarge 413            a body over the limit
    ├── RangeNotSatisfiable 416 a range past the end
    ├── NotModelled 501         a route or a feature that the emulator does not have
    ├── Unavailable 503         what is asked for is not running
    └── DiskFull 507            what the request writes does not fit on the disk

Knows no HTTP framework: `http/` turns these into responses.
"""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4


class EmulatorError(Exception):
    """An error with Azure's error code and its HTTP status."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "ServiceError"

    def __init__(self, message: str, *, code: str | None = None, target: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = code or self.code
        self.target = target


class BadRequest(EmulatorError):
    """The request itself is wrong."""

    status = 400
    code = "BadRequest"


class InvalidTraffic(BadRequest):
    """A traffic split that does not add up or names an unknown deployment."""

    code = "InvalidTraffic"


class Unauthorized(EmulatorError):
    """No token, or one that this emulator did not issue."""

    status = 401
    code = "Unauthorized"


class Forbidden(EmulatorError):
    """A signature that does not cover what is asked."""

    status = 403
    code = "AuthorizationFailure"


class NotFound(EmulatorError):
    """No such resource."""

    status = 404
    code = "NotFound"


class Conflict(EmulatorError):
    """A resource of this name exists with other content, or is busy."""

    status = 409
    code = "Conflict"


class PreconditionFailed(EmulatorError):
    """A condition that the request names does not hold."""

    status = 412
    code = "ConditionNotMet"


class LengthRequired(EmulatorError):
    """A body whose length is not stated."""

    status = 411
    code = "MissingContentLengthHeader"


class TooLarge(EmulatorError):
    """A body over the stated limit."""

    status = 413
    code = "RequestBodyTooLarge"


class RangeNotSatisfiable(EmulatorError):
    """A range that starts past the end."""

    status = 416
    code = "InvalidRange"


class NotModelled(EmulatorError):
    """A route or feature of Azure that this emulator does not have."""

    status = 501
    code = "NotImplemented"


class Unavailable(EmulatorError):
    """What is asked for is not running, or not yet."""

    status = 503
    code = "ServiceUnavailable"


class DiskFull(EmulatorError):
    """There is no room for what the request writes."""

    status = 507
    code = "InsufficientStorage"


# No room, no room for this user, and a file larger than this process may write.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NUMBER = re.compile(r"\[Errno (\d+)\]")


def disk_full(error: BaseException, folder: Path) -> DiskFull | None:
    """The error of a failed write that says that there is no room in `folder`; None when the write failed otherwise."""
    if not isinstance(error, OSError):
        return None
    # Copies of folders fail with the texts of several errors.
    numbers = (
        {int(number) for number in _NUMBER.findall(str(error))} if isinstance(error, shutil.Error) else {error.errno}
    )
    if not numbers & _NO_ROOM:
        return None
    return DiskFull(
        f"There is no room left on the disk of {folder}: what was written does not fit. Nothing was stored. "
        "Free some space there and send the request again."
    )


def error_document(error: EmulatorError) -> dict[str, Any]:
    """The error body of Azure Resource Manager: {"error": {code, message, details, additionalInfo}}, and its target."""
    return error_body(error.error_code, error.message, error.target)


def error_body(code: str, message: str, target: str | None = None) -> dict[str, Any]:
    """The same body for an error that is not raised, such as that of a failed operation."""
    about = {
        "ComponentName": "managementfrontend",
        "Correlation": {"operation": uuid4().hex, "request": uuid4().hex[:16]},
        "Environment": "emulator",
        "Location": "emulator",
    }
    body: dict[str, Any] = {
        "code": code,
        "message": message,
        "details": [],
        "additionalInfo": [{"type": name, "info": {"value": value}} for name, value in about.items()],
    }
    return {"error": body if target is None else {**body, "target": target}}
