"""Reads the distribution of a command: of a job, or of a node and its component. Pure: no I/O."""

from __future__ import annotations

from typing import Any, get_args

from azureml_emulator.jobs.definitions.distribution import TENSORFLOW, Distribution, Framework
from azureml_emulator.jobs.definitions.wire import field_of, refuse, whole_number
from azureml_emulator.kernel.errors import NotModelled

_FRAMEWORKS: dict[str, Framework] = {name: name for name in get_args(Framework)}
_RAY = "ray"
# More would only exhaust this machine.
_MAX_PROCESSES = 64


def read_distribution(
    given: dict[str, Any], where: str, component: dict[str, Any] | None = None
) -> Distribution | None:
    """The distribution of a command; its `resources` and `distribution` override those of its component, key by key.

    None for one process without a distribution. Raises BadRequest for numbers that are none, NotModelled for Ray, for
    several instances without a distribution, and for more processes than one machine should run.
    """
    resources, distribution = (_merged(given, component or {}, name) for name in ("resources", "distribution"))
    instances = whole_number(field_of(resources, "instanceCount"), 1, f"{where}.resources.instance_count")
    kind = str(field_of(distribution, "distributionType") or distribution.get("type") or "").lower()
    if not kind:
        if instances > 1:
            raise NotModelled(
                f"'{where}' asks for {instances} instances without a distribution: name one (pytorch, mpi or "
                "tensorflow), or one instance."
            )
        return None
    if kind == _RAY:
        raise NotModelled(f"'{where}': the emulator does not start Ray; it has pytorch, mpi and tensorflow.")
    if kind not in _FRAMEWORKS:
        known = ", ".join(_FRAMEWORKS)
        raise refuse(f"'{where}': the distribution is '{kind}'; it must be one of {known}.", f"{where}.distribution")
    made = _of_kind(_FRAMEWORKS[kind], distribution, instances, where)
    if made.processes > _MAX_PROCESSES:
        raise NotModelled(
            f"'{where}' asks for {made.processes} processes; the emulator runs at most {_MAX_PROCESSES} of one step."
        )
    return made


def _of_kind(framework: Framework, distribution: dict[str, Any], instances: int, where: str) -> Distribution:
    if framework == TENSORFLOW:
        workers = whole_number(field_of(distribution, "workerCount"), instances, f"{where}.distribution.worker_count")
        servers = field_of(distribution, "parameterServerCount")
        target = f"{where}.distribution.parameter_server_count"
        return Distribution(framework, instances, workers, whole_number(servers, 0, target, minimum=0))
    each = field_of(distribution, "processCountPerInstance")
    per_instance = whole_number(each, 1, f"{where}.distribution.process_count_per_instance")
    return Distribution(framework, instances, instances * per_instance)


def _merged(given: dict[str, Any], component: dict[str, Any], name: str) -> dict[str, Any]:
    own = {key: value for key, value in (given.get(name) or {}).items() if value is not None}
    return {**(component.get(name) or {}), **own}
