"""Measures files through the batch endpoint of an emulator, against mlflow's pyfunc over the same model and files.

Three million synthetic rows in six parquet files. Scoring time runs from the start of the first mini-batch to the
end of the last one, as the job's own logs have them: reading, checking, scoring and writing. Memory is what all
processes of the job hold together at their peak. Processor time is all that the job's processes used, their imports
too. What it is compared with (harness/batch_peers.py) runs before and after, and the better run counts: pyfunc over
the same files, read at once as its documentation has it, and, beside the limit, file by file as the endpoint does.

Two models: the limits are held by one of 40 trees, whose scoring leaves something to be gained around it; the
template's own, of 200 trees, is shown beside it, and spends nine tenths of its time inside onnxruntime.

Last, the smaller model on two instances against one, with one process each: rows per second grow with the instances as
far as this machine has processors, and a row must not cost more.

    uv run python benchmarks/batch.py
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.batch_peers import Took, model_alone, pyfunc
from harness.figures import Figure, report
from harness.steps.model_packages import make_package, sample_generator

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ROOT = Path(__file__).resolve().parent.parent
FILES = 6
ROWS = 3_000_000
FEW_ROWS = 6_000
TREES = 40
OWN_TREES = 200
# Millions of rows a second.
LEAST_RATE = 1.0
MOST_MEGABYTES = 1_000
# Two processors of this are a million rows a second; it holds on a busy machine as well. Imports are in it.
MOST_MICROSECONDS = 2.0
LEAST_RATIO = 4.0
# A row on two instances, in processor time, against one: the second process imports what the first one did.
MOST_PER_INSTANCE = 1.35
# Of the project, what a deployment is made of.
PARTS = ("project.yml", "schema.yml", "components", "endpoints", "environments", "pipelines", "releases")
# Seldom enough that asking and watching take next to nothing from what is measured.
POLL_SECONDS = 0.5
WATCH_SECONDS = 0.1
ENDPOINT = "benchmark-files"
TERMINAL = ("Completed", "Failed", "Canceled")
# What the processes of a parallel job have in their command lines.
MARK = b"azureml_emulator.jobs.parallel"
ENDED = re.compile(r"^(\S+ \S+) mini-batch \d+: .* ([\d.]+) s$")


@dataclass
class Watch:
    """What the processes of jobs take: the most memory together, in bytes, and processor time of each, in seconds."""

    peak: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look again and again until told to stop."""
        while not self.stopping.wait(WATCH_SECONDS):
            held = 0
            for place in Path("/proc").glob("[0-9]*"):
                resident, seconds = usage(place)
                held += resident
                if seconds:
                    self.seconds[place.name] = seconds
            self.peak = max(self.peak, held)


@dataclass(frozen=True)
class Scored:
    """One call of the endpoint: what it took, and the peak of memory in bytes."""

    took: Took
    peak: int


def main() -> int:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--rows", type=int, default=ROWS, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, few = make_data(folder / "rows", arguments.rows), make_data(folder / "few", FEW_ROWS)
        packages = {trees: make_package(folder / str(trees), trees) for trees in (TREES, OWN_TREES)}
        with emulator(folder / "state"):
            figures = measure(data, few, packages, folder, arguments.rows)
    return report(f"{arguments.rows:,} rows of parquet through a batch endpoint", figures, as_json=arguments.json)


def measure(data: Path, few: Path, packages: Mapping[int, Path], folder: Path, rows: int) -> list[Figure]:
    """Both models through the endpoint, between two runs of what it is compared with."""
    client = workspace()
    figures = []
    for version, (trees, package) in enumerate(packages.items(), start=1):
        deploy(client, package, str(version))
        # After a deployment the emulator imports in the background what its code needs: that is no scoring.
        score(client, few, folder / f"few-logs-{trees}", FEW_ROWS)
        before = Peers.of(package, data, folder)
        scored = score(client, data, folder / f"logs-{trees}", rows)
        peers = before.better(Peers.of(package, data, folder))
        figures += compare(f"{trees} trees", scored, peers, held=trees == TREES)
    return figures + compare_instances(client, data, few, packages[TREES], folder, rows)


def compare_instances(client: MLClient, data: Path, few: Path, package: Path, folder: Path, rows: int) -> list[Figure]:
    """The smaller model with one process on each of one and of two instances."""
    one, two = (
        _on_instances(client, data, few, package, folder / f"instances-{count}", rows, count) for count in (1, 2)
    )
    limit = MOST_PER_INSTANCE
    return [
        Figure("1 instance with 1 process", one.rate, "M/s"),
        Figure("2 instances with 1 process each", two.rate, "M/s"),
        Figure("2 instances / 1, rows per second", two.rate / one.rate, "x", note=f"{os.cpu_count()} processors"),
        Figure("2 instances / 1, processor time a row", two.microseconds / one.microseconds, "x", limit),
    ]


def _on_instances(client: MLClient, data: Path, few: Path, package: Path, folder: Path, rows: int, count: int) -> Took:
    project = folder / "project"
    project.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        copied = shutil.copytree if source.is_dir() else shutil.copyfile
        copied(source, project / part)
    component = project / "components" / "score_batch" / "component.yml"
    text = component.read_text()
    for line, other in (
        ("max_concurrency_per_instance: 2", "max_concurrency_per_instance: 1"),
        ("instance_count: 1", f"instance_count: {count}"),
    ):
        assert line in text
        text = text.replace(line, other)
    component.write_text(text)
    deploy(client, package, f"1{count}", project)
    score(client, few, folder / "few-logs", FEW_ROWS)
    return score(client, data, folder / "logs", rows).took


@dataclass(frozen=True)
class Peers:
    """What the endpoint is compared with: pyfunc over all files at once, over one, and onnxruntime by itself."""

    whole: Took
    file: Took
    alone: Took

    @classmethod
    def of(cls, package: Path, data: Path, folder: Path) -> Peers:
        """Let each of them run."""
        file = data / "part-0.parquet"
        return cls(pyfunc(package, data, folder), pyfunc(package, file, folder), model_alone(package, file, folder))

    def better(self, other: Peers) -> Peers:
        """Each by its better run: whatever else the machine did in between counts against us, and not for us."""
        pairs = (self.whole, other.whole), (self.file, other.file), (self.alone, other.alone)
        return Peers(*(min(pair, key=lambda each: each.seconds) for pair in pairs))


def compare(name: str, scored: Scored, peers: Peers, *, held: bool) -> list[Figure]:
    """The figures of one model; `held` to the limits, or only shown."""
    took, whole, file = scored.took, peers.whole, peers.file
    return [
        Figure(f"{name}: scored through the endpoint", took.rate, "M/s", LEAST_RATE if held else None, "higher"),
        Figure(f"{name}: mlflow's pyfunc, all files at once", whole.rate, "M/s", note="the peer"),
        Figure(f"{name}: endpoint / pyfunc", took.rate / whole.rate, "x", LEAST_RATIO if held else None, "higher"),
        Figure(f"{name}: mlflow's pyfunc, file by file", file.rate, "M/s", note="its best case"),
        Figure(f"{name}: endpoint / pyfunc, file by file", took.rate / file.rate, "x"),
        Figure(f"{name}: processor time a row", took.microseconds, "us", MOST_MICROSECONDS if held else None),
        Figure(f"{name}: of that onnxruntime alone", peers.alone.microseconds, "us", note="nothing can cost less"),
        Figure(f"{name}: pyfunc's processor time a row", file.microseconds, "us", note="its best case"),
        Figure(f"{name}: memory of all processes", scored.peak / 1e6, "MB", MOST_MEGABYTES),
    ]


def make_data(folder: Path, rows: int) -> Path:
    """Files of synthetic rows, each from a seed of its own."""
    generate = sample_generator()
    folder.mkdir()
    for number in range(FILES):
        generate(rows // FILES, seed=number + 1).write_parquet(folder / f"part-{number}.parquet")
    return folder


@contextmanager
def emulator(state: Path) -> Generator[None]:
    """An emulator of this benchmark's own, with the variables that lead to it."""
    command = [sys.executable, "-m", "azureml_emulator"]
    subprocess.run([*command, "start", "--state", str(state)], check=True, capture_output=True)
    try:
        told = subprocess.run(
            [*command, "env", "--json", "--state", str(state)], check=True, capture_output=True, text=True
        )
        os.environ.update(json.loads(told.stdout))
        yield
    finally:
        subprocess.run([*command, "stop", "--state", str(state)], check=True, capture_output=True)


def workspace() -> MLClient:
    """The emulator's workspace of stage dev, as `mlops` connects to it."""
    from mlops.azure.workspace import connect
    from mlops.settings.project import load_project

    return connect(load_project(ROOT).settings.stage("dev"))


def deploy(client: MLClient, package: Path, version: str, root: Path = ROOT) -> None:
    """Register a package, and make it what the endpoint's callers get."""
    from azure.ai.ml.entities import Model

    from mlops.azure.sdk_output import suppress_output
    from mlops.batch.deploy import ReleasedModel, deployment_name, load_deployment, load_endpoint
    from mlops.settings.project import load_project
    from model_package.package import package_digest

    project = load_project(root)
    name = project.settings.model
    with suppress_output():
        client.models.create_or_update(Model(name=name, version=version, path=str(package), type="custom_model"))
    model = ReleasedModel(name, version, package_digest(package), f"azureml:{name}:{version}")
    endpoint = load_endpoint(project, ENDPOINT)
    with suppress_output():
        client.batch_endpoints.begin_create_or_update(endpoint).result()
        deployment = load_deployment(
            project, project.settings.stage("dev"), ENDPOINT, model, deployment_name(model, "")
        )
        made = client.batch_deployments.begin_create_or_update(deployment).result()
        endpoint.defaults = {"deployment_name": made.name}
        client.batch_endpoints.begin_create_or_update(endpoint).result()


def score(client: MLClient, data: Path, logs: Path, rows: int) -> Scored:
    """Score the files; the time of scoring is from the first mini-batch's start to the last one's end."""
    from azure.ai.ml import Input

    from mlops.azure.sdk_output import suppress_output

    watch = Watch()
    watcher = threading.Thread(target=watch.run)
    watcher.start()
    try:
        given: dict[str, Any] = {"data": Input(type="uri_folder", path=str(data))}
        with suppress_output():
            job = client.batch_endpoints.invoke(ENDPOINT, inputs=given)
        while (now := client.jobs.get(str(job.name))).status not in TERMINAL:
            time.sleep(POLL_SECONDS)
    finally:
        watch.stopping.set()
        watcher.join()
    if now.status != "Completed":
        raise SystemExit(f"The job ended {now.status}: see `azureml-emulator status`.")
    (step,) = client.jobs.list(parent_job_name=str(job.name))
    with suppress_output():
        client.jobs.download(str(step.name), download_path=logs)
    begun, ended = [], []
    for file in logs.rglob("sys/node/*/*.txt"):
        for line in file.read_text().splitlines():
            if match := ENDED.match(line):
                end = datetime.fromisoformat(match[1])
                ended.append(end)
                begun.append(end - timedelta(seconds=float(match[2])))
    assert len(ended) == FILES
    seconds = (max(ended) - min(begun)).total_seconds()
    return Scored(Took(rows, seconds, sum(watch.seconds.values())), watch.peak)


def usage(place: Path) -> tuple[int, float]:
    """Bytes held and seconds of processor used by a process of a parallel job; nothing for any other."""
    try:
        if MARK not in (place / "cmdline").read_bytes():
            return 0, 0.0
        pages = int((place / "statm").read_text().split()[1])
        # The name of the program, in brackets, may hold blanks; user and system time are the 14th and 15th fields.
        fields = (place / "stat").read_text().rpartition(")")[2].split()
    except (OSError, IndexError):
        return 0, 0.0
    ticks = int(fields[11]) + int(fields[12])
    return pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
