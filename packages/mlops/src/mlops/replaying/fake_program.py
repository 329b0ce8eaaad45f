"""A fake of a git host's program. Runs outside of any virtual environment; fake_programs.py installs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# Requests that change nothing are not logged.
_READING = ("list", "git-credential")
_AZURE_CLI = "az"
# What workflows do with a workspace by the Azure CLI.
_OF_WORKSPACES = ("account", "config", "configure", "extension", "login", "ml")
_PROFILE = "azureProfile.json"
# Set by a login in a shell that points to the emulator.
_METADATA = "ARM_CLOUD_METADATA_URL"
_WITHOUT_CLI = (
    "a replay runs it against a workspace on this machine, after a login step. That needs the Azure CLI here, with its "
    'extension (`az extension add --name ml`), and a shell that points there (`mlops up`, `eval "$(mlops env)"`)'
)


def main(settings_file: str, program: str, words: list[str]) -> int:
    """Answer requests about pull requests as the real program would; refuse all others."""
    settings = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    reply = next((each for each in settings["replies"][program] if _matches(each, words)), None)
    if reply is None:
        return _refuse(program, words, settings)
    if not set(words) & set(_READING):
        with Path(settings["request_log"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([program, *words]) + "\n")
    print(reply["text"])
    return 0


def _matches(reply: dict[str, Any], words: list[str]) -> bool:
    begins = words[: len(reply["words"])] == reply["words"]
    return begins and (not reply["containing"] or reply["containing"] in words)


def _refuse(program: str, words: list[str], settings: dict[str, Any]) -> int:
    cli = settings["azure_cli"]
    if program == _AZURE_CLI and words[:1] and words[0] in _OF_WORKSPACES and cli and _METADATA in os.environ:
        os.environ["AZURE_EXTENSION_DIR"] = cli["extensions"]
        return _play(cli["program"], words)
    real = settings["real"].get(program)
    if real:
        os.execv(real, [program, *words])  # noqa: S606 - the program itself, without a shell
    asked = f"`{program} {' '.join(words[:3])}`"
    if program == _AZURE_CLI and words[:1] and words[0] in _OF_WORKSPACES:
        print(f"{asked} was not run: {_WITHOUT_CLI}", file=sys.stderr)
        return 1
    print(f"{asked} is not simulated in a replay; only pull requests are", file=sys.stderr)
    return 1


def _play(program: str, words: list[str]) -> int:
    """Run the Azure CLI itself against the workspace of this shell, logged in as the identity that the shell names."""
    if words[0] == "extension":
        print("a replay uses the extensions that this machine has", file=sys.stderr)
        return 0
    if not Path(os.environ["AZURE_CONFIG_DIR"], _PROFILE).is_file():
        login = [program, "login", "--identity", "--output", "none"]
        done = subprocess.run(login, stdout=sys.stderr, check=False)
        if done.returncode or words[0] == "login":
            return done.returncode
    return subprocess.run([program, *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
