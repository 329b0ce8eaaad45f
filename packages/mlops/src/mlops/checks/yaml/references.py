"""What a reference in YAML points at: something registered in Azure ML, or a file beside the document."""

import re
from pathlib import Path
from typing import Final

FILE_PREFIX: Final = "file:"
REGISTERED_PREFIX: Final = "azureml:"
REMOTE: Final = re.compile(r"[a-z][a-z0-9+.-]+://.*|git\+.*|azureml:.*", re.IGNORECASE)
REGISTERED: Final = re.compile(
    r"azureml:[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+|@[A-Za-z0-9_-]+)|azureml://\S+|azureml:/subscriptions/\S+"
)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
COMPONENT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,254}")
# A cluster by its name, or one of the kinds that the service brings itself.
COMPUTE: Final = re.compile(
    r"(azureml:)?[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]|(azureml:)?/subscriptions/\S+|\$\{\{\S+\}\}"
)
SEMANTIC_VERSION: Final = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?")


def is_remote(text: str) -> bool:
    """Whether it names something that is not a file of this project."""
    return REMOTE.fullmatch(text) is not None


def is_registered(text: str) -> bool:
    """Whether it is well-formed as `azureml:name:version`, `azureml:name@label` or `azureml://…`."""
    return REGISTERED.fullmatch(text) is not None


def local_path(text: str, folder: Path) -> Path | None:
    """Return the path meant by `file:…` or a relative path in a document in `folder`; None when remote."""
    if text.startswith(FILE_PREFIX):
        text = text.removeprefix(FILE_PREFIX)
    elif is_remote(text):
        return None
    return Path(folder, text).resolve()
