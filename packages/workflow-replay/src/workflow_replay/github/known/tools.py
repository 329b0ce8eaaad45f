"""Actions that bring tools: here they are on the machine already."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.github.known.inputs import text


def cache(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """A cache that never has anything: what works then works on GitHub's first run, too."""
    for name in ("path", "key"):
        if not text(inputs, name):
            raise EffectFailed(f"Input required and not supplied: {name}")
    context.say("the cache is empty in a replay")
    return EffectResult(outputs={"cache-hit": "", "cache-matched-key": ""})


def pulumi(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Brings Pulumi when it is given no command; a command would change something, and nobody said what it does."""
    command = text(inputs, "command")
    if command:
        raise EffectFailed(f"what `pulumi {command}` does here is not declared; declare an effect for pulumi/actions")
    context.say("pulumi is taken from the machine, if it is there")
    return EffectResult()
