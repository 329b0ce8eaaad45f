"""The program of a data_transfer step that copies: `python -m azureml_emulator.jobs.copy_data MODE TARGET SOURCE…`.

Folders are merged; a file keeps its name, unless the target is a file. Standard library only.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

OVERWRITE = "merge_with_overwrite"
FAIL = "fail_if_conflict"


def main(arguments: Sequence[str]) -> int:
    """Copy the sources, later ones over earlier ones. Returns the exit code, 1 for a conflict that the mode forbids."""
    mode, target, *sources = arguments
    copies = [pair for source in sources for pair in _files(Path(source), Path(target))]
    targets = [to for _, to in copies]
    taken = [to for number, to in enumerate(targets) if to.exists() or to in targets[:number]]
    if taken and mode == FAIL:
        name = taken[0].relative_to(target) if Path(target).is_dir() else taken[0].name
        print(f"'{name}' exists at the target or in several sources; {OVERWRITE} would overwrite it.", file=sys.stderr)
        return 1
    for source, to in copies:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, to)
    print(f"Copied {len(copies)} files from {len(sources)} inputs.")
    return 0


def _files(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """The files of a source, each with where it goes."""
    if source.is_file():
        yield source, target / source.name if target.is_dir() else target
    else:
        for file in sorted(source.rglob("*")):
            if file.is_file():
                yield file, target / file.relative_to(source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
