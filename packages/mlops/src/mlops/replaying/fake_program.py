"""A fake of `gh` or `az`. Runs outside of any virtual environment; fake_programs.py installs it."""

import json
import os
import sys
from pathlib import Path

# Requests that change nothing are not logged.
_READING = ("list", "git-credential")


def main(settings_file: str, program: str, words: list[str]) -> int:
    """Answer requests about pull requests as the real program would; refuse all others."""
    settings = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    answer = _answer(program, words, settings)
    if answer is None:
        return _refuse(program, words, settings)
    if not set(words) & set(_READING):
        with Path(settings["request_log"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([program, *words]) + "\n")
    print(answer)
    return 0


def _answer(program: str, words: list[str], settings: dict[str, str]) -> str | None:
    match program, words:
        case ("gh", ["pr", "list", *_]) | ("az", ["repos", "pr", "list", *_]):
            return "[]"
        case ("gh", ["pr", "create", *_]):
            return f"{settings['address']}/pull/1"
        case ("gh", ["pr", "edit" | "comment", *_]) | ("gh", ["auth", "setup-git" | "git-credential", *_]):
            return ""
        case ("az", ["repos", "pr", "create" | "update", *_]):
            return json.dumps({"pullRequestId": 1, "repository": _repository(settings)})
        case ("az", ["devops", "invoke", *rest]) if "POST" in rest:
            return "{}"
    return None


def _repository(settings: dict[str, str]) -> dict[str, object]:
    project = {"id": settings["project"], "name": settings["project"]}
    return {"id": settings["name"], "name": settings["name"], "webUrl": settings["repository"], "project": project}


def _refuse(program: str, words: list[str], settings: dict[str, str]) -> int:
    if program == "az" and settings["real_az"]:
        os.execv(settings["real_az"], ["az", *words])  # noqa: S606 - the program itself, without a shell
    print(f"`{program} {' '.join(words[:3])}` is not simulated in a replay; only pull requests are", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
