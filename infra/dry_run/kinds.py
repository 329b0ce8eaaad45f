"""The kind of a resource, by its type in the provider: the template's kinds and the fork's own."""

from __future__ import annotations

from arm_kinds import KINDS, Kind
from extra import KINDS as EXTRA_KINDS

AZURE = "azure-native:"


def kind_of(type_: str) -> Kind:
    """The kind of a type such as `storage:Queue`. Raises LookupError for an unknown one."""
    kind = KINDS.get(type_) or EXTRA_KINDS.get(type_)
    if kind is None:
        raise LookupError(f"{type_} is an unknown kind; add its resource id to KINDS, in extra.py or arm_kinds.py")
    return kind
