"""Logins: azure/login by federated identity, and tokens of a GitHub App."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final

from workflow_replay.effects import Effect, EffectContext, EffectFailed, EffectResult
from workflow_replay.github.builtin_actions.inputs import text

_FEDERATED: Final = ("client-id", "tenant-id", "subscription-id")
_TOKEN_BYTES: Final = 18

Login = Callable[[Mapping[str, str], EffectContext], Mapping[str, str]]


def azure_login(variables: Mapping[str, str] | Login) -> Effect:
    """azure/login with a federated identity; later steps have these variables.

    Like the real action it fails without `id-token: write`, or if one of the three ids is missing. A callable gets the
    inputs and the context, so that it can decide which identity an environment may use; it raises EffectFailed.
    """

    def login(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
        if not text(inputs, "creds"):
            missing = [name for name in _FEDERATED if not text(inputs, name)]
            if missing:
                raise EffectFailed(
                    f"Login failed: not all values are present. Ensure {', '.join(missing)} are supplied."
                )
            context.require("id-token", "write")
        found = variables if isinstance(variables, Mapping) else variables(inputs, context)
        context.log(f"signed in as {subject(context)}")
        return EffectResult(variables=found)

    return login


def subject(context: EffectContext) -> str:
    """The last part of the subject claim in the job's OIDC token."""
    if context.environment is not None:
        return f"environment:{context.environment}"
    return "pull_request" if context.event == "pull_request" else f"ref:{context.ref}"


def app_token(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:  # noqa: ARG001 - an effect's signature
    """A token of a GitHub App; requires an app id (or client id) and a private key."""
    if not (text(inputs, "app-id") or text(inputs, "client-id")) or not text(inputs, "private-key"):
        raise EffectFailed("Input required and not supplied: app-id and private-key")
    token = f"ghs_{secrets.token_hex(_TOKEN_BYTES)}"
    return EffectResult(outputs={"token": token, "app-slug": "replay"}, masks=(token,))
