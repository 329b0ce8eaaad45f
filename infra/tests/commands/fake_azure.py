#!/usr/bin/env python3
"""Stands in for `az` and `pulumi` in tests of the bootstrap: keeps what was created in state.json, records every call.

As Azure does, it refuses what needs something that does not exist, lets a new role take effect only at the second
try, and has a feature registered only when it is asked for the second time.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # a test starts this program a hundred times: it imports little
    from typing import Any

FILE = os.path.join(os.path.dirname(sys.argv[0]), "state.json")  # noqa: PTH118, PTH120 - see above
MISSING = 3


class Refused(Exception):
    """The program ends with this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def option(words: list[str], name: str) -> str:
    """The value of an option, or ""."""
    return words[words.index(name) + 1] if name in words else ""


def az(words: list[str], state: dict[str, Any]) -> str:
    """What `az` prints."""
    noun, verb = noun_and_verb(words)
    if verb == "rest":
        raise Refused(1, "AuthorizationFailed: no right to read the quota")
    name = option(words, "--name") or option(words, "--account-name")
    made: dict[str, Any] = state.setdefault("made", {})
    if noun in ("provider", "feature"):
        return registration(noun, verb, words, state)
    if noun == "role assignment":
        return role(verb, option(words, "--scope"), state)
    match verb:
        case "exists":
            return str(f"{noun} {name}" in made).lower()
        case "show":
            return "11111111-2222-3333-4444-555555555555" if noun == "ad signed-in-user" else shown(noun, name, made)
    return create(noun, name, words, state)


def noun_and_verb(words: list[str]) -> tuple[str, str]:
    """`storage account` and `create` of `az storage account create --name …`."""
    *noun, verb = words[: next(index for index, word in enumerate(words) if word.startswith("--"))]
    return " ".join(noun), verb


def registration(noun: str, verb: str, words: list[str], state: dict[str, Any]) -> str:
    """Register a provider or a feature, or say which are registered."""
    if verb == "list":
        return json.dumps(state.get("providers", []))
    if verb == "register":
        state.setdefault(f"{noun}s", []).append(option(words, "--namespace"))
        return ""
    state["asked"] = state.get("asked", 0) + ("features" in state)
    return "Registered" if state["asked"] > 1 else "Registering"


def role(verb: str, scope: str, state: dict[str, Any]) -> str:
    """Assign a role, or count its assignments."""
    made = state["made"]
    if verb == "list":
        return str(int(f"role {scope}" in made))
    if state.get("no_right_to_assign"):
        raise Refused(1, "AuthorizationFailed: no action 'Microsoft.Authorization/roleAssignments/write'")
    made[f"role {scope}"] = 0
    return ""


def shown(noun: str, name: str, made: dict[str, Any]) -> str:
    """The id of something, or whether versions are kept."""
    if f"{noun} {name}" not in made:
        raise Refused(MISSING, f"ResourceNotFound: {noun} {name}")
    return "true" if noun.endswith("properties") else f"id of {name}"


def create(noun: str, name: str, words: list[str], state: dict[str, Any]) -> str:
    """Create something."""
    made = state["made"]
    if (
        state.get("demanded_tag")
        and noun in ("group", "storage account", "keyvault")
        and not any(word.startswith(f"{state['demanded_tag']}=") for word in words)
    ):
        raise Refused(1, "RequestDisallowedByPolicy: the policy 'require a cost centre' refuses it")
    needed = {"storage container": "role ", "keyvault key": "role "}.get(noun, "")
    roles = [key for key in made if needed and key.startswith(needed)]
    if needed and made[roles[-1]] == 0:
        made[roles[-1]] = 1
        raise Refused(1, "AuthorizationPermissionMismatch, ForbiddenByRbac: this request is not authorized")
    made[f"{noun} {name}"] = True
    return ""


def pulumi(words: list[str], state: dict[str, Any]) -> str:
    """What `pulumi` prints."""
    match [word for word in words if not word.startswith("--")]:
        case ["whoami", *_]:
            if "backend" not in state:
                raise Refused(255, "error: not logged in")
            return json.dumps({"user": "me", "url": state["backend"]})
        case ["login", backend]:
            state["backend"] = backend
            return ""
        case ["stack", "ls", *_]:
            return json.dumps([{"name": stack} for stack in state.get("stacks", [])])
        case ["stack", "init", stack, *_]:
            state.setdefault("stacks", []).append(stack)
            return ""
        case ["stack", "output", stack, *_]:
            return json.dumps({"location": "westeurope"} if stack in state.get("deployed", []) else {})
        case ["up", stack]:
            if stack == state.get("broken"):
                raise Refused(1, "error: update failed")
            state.setdefault("deployed", []).append(stack)
            return ""
    raise Refused(2, f"pulumi does not know: {words}")


def main() -> int:
    """Answer as the program that this is a copy of; the exit code is its."""
    program, words = os.path.basename(sys.argv[0]), sys.argv[1:]  # noqa: PTH119
    state: dict[str, Any] = {}
    if os.path.isfile(FILE):  # noqa: PTH113
        with open(FILE) as file:  # noqa: PTH123
            state = json.load(file)
    state.setdefault("calls", []).append([program, *words])
    code = 0
    try:
        print({"az": az, "pulumi": pulumi}[program](words, state))
    except Refused as refused:
        print(refused, file=sys.stderr)
        code = refused.code
    with open(FILE, "w") as file:  # noqa: PTH123
        json.dump(state, file)
    return code


if __name__ == "__main__":
    sys.exit(main())
