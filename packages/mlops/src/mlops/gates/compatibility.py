"""Whether callers of one model can call another unchanged. Pure: no I/O.

What was accepted must stay accepted: wider limits and more categories are fine, narrower ones break callers,
and so does a feature that comes, goes or changes its type from number to integer.
"""

from __future__ import annotations

from mlops.gates.package_documents import Feature, Schema


def schema_breaks(champion: Schema, challenger: Schema) -> tuple[str, ...]:
    """One sentence for each change that breaks callers of the champion."""
    old = {feature.name: feature for feature in champion.features}
    new = {feature.name: feature for feature in challenger.features}
    breaks = []
    if champion.target != challenger.target:
        breaks.append(f"predicts '{challenger.target}', not '{champion.target}'")
    breaks += [f"'{name}' is no longer a feature" for name in old if name not in new]
    breaks += [f"'{name}' is a new feature, which callers do not send" for name in new if name not in old]
    for name in old:
        if name in new:
            breaks += _feature_breaks(old[name], new[name])
    return tuple(breaks)


def _feature_breaks(old: Feature, new: Feature) -> list[str]:
    breaks = []
    if old.type == "number" and new.type == "integer":
        breaks.append(f"'{new.name}' takes integers only")
    if new.minimum is not None and (old.minimum is None or old.minimum < new.minimum):
        breaks.append(f"'{new.name}' takes nothing below {new.minimum:g}; before: {_limit(old.minimum)}")
    if new.maximum is not None and (old.maximum is None or old.maximum > new.maximum):
        breaks.append(f"'{new.name}' takes nothing above {new.maximum:g}; before: {_limit(old.maximum)}")
    if new.categories is not None:
        lost = None if old.categories is None else sorted(set(old.categories) - set(new.categories))
        if lost is None:
            breaks.append(f"'{new.name}' takes only certain categories")
        elif lost:
            breaks.append(f"'{new.name}' no longer takes {', '.join(str(code) for code in lost)}")
    return breaks


def _limit(value: float | None) -> str:
    return "no limit" if value is None else f"{value:g}"
