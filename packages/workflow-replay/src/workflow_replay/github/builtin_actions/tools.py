"""Actions that install or cache tools: the replay uses those of this machine."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.github.builtin_actions.inputs import text


def cache(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """A cache that is always empty, as on the first run."""
    for name in ("path", "key"):
        if not text(inputs, name):
            raise EffectFailed(f"Input required and not supplied: {name}")
    context.log("the cache is empty in a replay")
    return EffectResult(outputs={"cache-hit": "", "cache-matched-key": ""})


def pulumi(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Install nothing. A command is refused, since it would change resources."""
    command = text(inputs, "command")
    if command:
        raise EffectFailed(f"`pulumi {command}` has no declared effect; declare one for pulumi/actions")
    context.log("pulumi is used from this machine, if installed")
    return EffectResult()
