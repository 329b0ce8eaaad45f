"""What may change of a job that exists: not what it runs. Pure: no I/O.

Compares by meaning, since the SDK sends a job that it has read in other words than a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from azureml_emulator.jobs.definitions.wire import arm_id, refuse

_Normal = Callable[[Any], Any]


def refuse_changed_job(existing: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    """Raise BadRequest when the properties that are sent for an existing job would run something else."""
    changed = [
        f"{name[:1].upper()}{name[1:]}"
        for name, normal in _COMPARED.items()
        if sent.get(name) is not None and normal(sent[name]) != normal(existing.get(name))
    ]
    if changed:
        raise refuse(
            "A job with this name already exists. If you are trying to create a new job, use a different name. If you "
            f"are trying to update an existing job, the existing job's {', '.join(changed)} cannot be changed. Only "
            "description, tags, displayName, properties, and isArchived can be updated.",
            "name",
        )


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _reference(value: Any) -> str:
    return (arm_id(value) or "").lower()


def _compute(value: Any) -> str:
    return _reference(value).rsplit("/", 1)[-1]


def _values(inputs: Any) -> dict[str, str]:
    """The value or address of each input."""
    return {
        name: _text(value.get("uri", value.get("value")) if isinstance(value, dict) else value)
        for name, value in (inputs or {}).items()
        if value is not None
    }


def _texts(variables: Any) -> dict[str, str]:
    return {name: _text(value) for name, value in (variables or {}).items()}


def _outputs(outputs: Any) -> set[str]:
    """The names of outputs, without the one that the service adds."""
    return set(outputs or {}) - {"default"}


def _nodes(jobs: Any) -> dict[str, Any]:
    return {
        name: (_reference(node.get("componentId")), _values(node.get("inputs"))) for name, node in (jobs or {}).items()
    }


_COMPARED: dict[str, _Normal] = {
    "jobType": _text,
    "command": _text,
    "codeId": _reference,
    "environmentId": _reference,
    "environmentVariables": _texts,
    "computeId": _compute,
    "inputs": _values,
    "outputs": _outputs,
    "jobs": _nodes,
}
