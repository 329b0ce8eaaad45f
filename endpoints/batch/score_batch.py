"""Scores files of rows as streams: the entry script of a parallel job (init, run), or a command for people.

Every file becomes one parquet file of predictions; a file that cannot be scored is rejected with a reason, and the
rest continues. Rows are checked and scored by the code that answers requests (model_package), in file_scoring.py;
this module only parses arguments and reports outcomes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# The driver of a parallel job imports this file by its path, which does not make the files beside it importable.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from file_scoring import Model, Outcome, files_in, score_file

from model_package.package import UNREGISTERED, find_package, verify

EXAMPLE = (
    "example: python endpoints/batch/score_batch.py --data rows/ --model package/ --predictions out/ "
    "--outcomes out/outcomes.jsonl"
)
# The placeholder for an empty value, which Azure's command line cannot pass.
NONE = "none"


@dataclass(frozen=True)
class Work:
    """What init() prepared: the model, and the input and output folders."""

    model: Model
    data: Path
    predictions: Path


work: Work


def init() -> None:
    """Load the model package that the arguments name; raises if it does not have the required digest."""
    global work
    # Azure adds its own arguments.
    arguments, _ = parser().parse_known_args()
    work = prepare(arguments)


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score the files of a mini-batch; return one outcome per file as a line of JSON, also for rejected files."""
    return [as_line(outcome_of(work, Path(file))) for file in mini_batch]


def prepare(arguments: argparse.Namespace) -> Work:
    """Load and verify the model package. Raises PackageError or SchemaError."""
    package = find_package(arguments.model)
    digest = "" if arguments.model_digest == NONE else arguments.model_digest
    if digest:
        verify(package, digest)
    model = Model.open(package, arguments.model_name, arguments.model_version, digest)
    return Work(model, arguments.data, arguments.predictions)


def outcome_of(given: Work, file: Path) -> Outcome:
    """Score one file, and return the outcome."""
    root = given.data if given.data.is_dir() else given.data.parent
    outcome = score_file(given.model, file, file.relative_to(root).as_posix(), given.predictions)
    print(outcome.sentence(), flush=True)
    return outcome


def as_line(outcome: Outcome) -> str:
    """An outcome as JSON without a line break."""
    return json.dumps(asdict(outcome), ensure_ascii=False, allow_nan=False)


def parser() -> argparse.ArgumentParser:
    """The arguments, the same for a job and for a person."""
    made = argparse.ArgumentParser(description="Score CSV and parquet files with a model package.", epilog=EXAMPLE)
    made.add_argument("--data", type=Path, required=True, help="a file, or a folder of files, of rows to score")
    made.add_argument("--model", type=Path, required=True, help="folder with the model package, at any depth")
    made.add_argument("--predictions", type=Path, required=True, help="folder to write predictions into")
    made.add_argument("--model-name", default=UNREGISTERED, help="recorded in each file (default: %(default)s)")
    made.add_argument("--model-version", default=UNREGISTERED, help="recorded in each file (default: %(default)s)")
    made.add_argument("--model-digest", default=NONE, help="the package must have this digest (default: any)")
    return made


def main() -> int:
    """Score everything; the exit code is 1 if a file was rejected."""
    arguments_of = parser()
    arguments_of.add_argument(
        "--outcomes", type=Path, required=True, help="file for the outcomes, one JSON object per line"
    )
    arguments = arguments_of.parse_args()
    files = files_in(arguments.data)
    if not files:
        print(f"there are no files in {arguments.data}; give a file or a folder of CSV and parquet", file=sys.stderr)
        return 1
    given = prepare(arguments)
    arguments.outcomes.parent.mkdir(parents=True, exist_ok=True)
    outcomes = [outcome_of(given, file) for file in files]
    arguments.outcomes.write_text("".join(f"{as_line(each)}\n" for each in outcomes), encoding="utf-8")
    return int(any(outcome.is_set_aside for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
