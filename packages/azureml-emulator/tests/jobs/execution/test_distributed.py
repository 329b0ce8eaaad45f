"""Distributed steps: several processes that find each other, and that fail, time out and are canceled together."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.jobs.launching import rank_networks
from azureml_emulator.kernel.store import Store
from azureml_emulator.other_users import unlisted
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.processes.private_network import has_private_networks
from azureml_emulator.processes.process_identity import process_start_time
from azureml_emulator.processes.relay import Relays
from azureml_emulator.processes.supervisor import Processes
from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = pytest.mark.xdist_group("jobs")

# Sums one number per process at the first one, which answers the sum to all: an all-reduce.
REDUCE = """
import json, os, pathlib, socket, sys

names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "NODE_RANK")
rank, size, host, port, local, node = (os.environ[name] for name in names)
rank, size = int(rank), int(size)
if rank == 0:
    with socket.create_server((host, int(port)), backlog=size) as server:
        peers = [server.accept()[0] for _ in range(size - 1)]
    total = 1 + sum(int(peer.makefile().readline()) for peer in peers)
    for peer in peers:
        peer.sendall(b"%d\\n" % total)
else:
    while True:
        try:
            peer = socket.create_connection((host, int(port)))
            break
        except ConnectionRefusedError:
            pass
    peer.sendall(b"%d\\n" % (rank + 1))
    total = int(peer.makefile().readline())
print("the sum is", total)
found = {"pid": os.getpid(), "total": total, "node": node, "local": local}
pathlib.Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(found))
"""
# A trial whose first process reports what all ranks together have, by plain requests, which is faster than MLflow.
TRIAL = """
import json, os, sys, urllib.request

if os.environ["RANK"] == "0":
    score = int(os.environ["WORLD_SIZE"]) * float(sys.argv[1])
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "score", "value": score, "timestamp": 0, "step": 0}
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    urllib.request.urlopen(request).read()
    with open(os.path.join(sys.argv[2], "score.txt"), "w") as file:
        file.write(sys.argv[1])
"""
# Of two processes the second does what the argument says, and the first waits for ever.
TROUBLE = """
import os, pathlib, signal, sys, threading

rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
pathlib.Path("outputs", f"{rank}.pid").write_text(str(os.getpid()))
print("pid", os.getpid(), flush=True)
if rank == 1 and sys.argv[1] in {"fail", "die"}:
    while not pathlib.Path("outputs", "0.pid").exists():
        pass
    print("rank 1 is in trouble", flush=True)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(3)
if rank == 1 or sys.argv[1] != "hang":
    threading.Event().wait()
"""
# The first process listens for as long as it runs, and the second connects.
LISTEN = """
import os, socket, threading

address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
print("pid", os.getpid(), flush=True)
if os.environ["RANK"] == "0":
    server = socket.create_server(address)
    peer = server.accept()[0]
else:
    while True:
        try:
            peer = socket.create_connection(address)
            break
        except ConnectionRefusedError:
            pass
print("connected", address[1], flush=True)
threading.Event().wait()
"""
# Parameter servers serve until they are stopped.
CLUSTER = """
import json, os, pathlib, sys, threading

task = json.loads(os.environ["TF_CONFIG"])["task"]
pathlib.Path(sys.argv[1], f"{task['type']}-{task['index']}").write_text(os.environ["AZUREML_NODE_COUNT"])
if task["type"] == "ps":
    threading.Event().wait()
while not pathlib.Path(sys.argv[1], "ps-0").exists():
    pass
"""
PROCESSES = {"distributionType": "Mpi", "processCountPerInstance": 2}


@pytest.fixture(scope="module")
def code(scripts: Callable[..., Path]) -> Path:
    return scripts(reduce=REDUCE, listen=LISTEN, trouble=TROUBLE, cluster=CLUSTER, trial=TRIAL)


@pytest.fixture
def files(ml_client: Any, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The files of the output `out` of a job, by name."""

    def download(job: str) -> dict[str, str]:
        ml_client.jobs.download(job, download_path=tmp_path, output_name="out")
        return {file.name: file.read_text() for file in (tmp_path / "named-outputs").rglob("*") if file.is_file()}

    return download


def pids(submitter: Any, job: str) -> list[int]:
    """The process ids in the logs of both processes."""

    def printed() -> list[int] | None:
        logs = [submitter.http.get(url).text for url in submitter.details(job)["logFiles"].values()]
        found = [line.split()[1] for log in logs for line in log.splitlines() if line.startswith("pid ")]
        return [int(pid) for pid in found] if len(found) == 2 else None

    return wait_for(printed)


def test_the_ranks_of_a_command_compute_a_sum_together(
    ml_client: Any, submitter: Any, code: Path, files: Callable[[str], dict[str, str]]
) -> None:
    from azure.ai.ml import Output, PyTorchDistribution, command

    # when a command runs on two instances with two processes each
    job = command(
        command="python reduce.py ${{outputs.out}}",
        code=str(code),
        environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        outputs={"out": Output(type="uri_folder")},
        instance_count=2,
        distribution=PyTorchDistribution(process_count_per_instance=2),
    )
    name = ml_client.jobs.create_or_update(job).name
    ended = submitter.wait(name, "Completed")

    # then four processes have the sum of what each of them had
    found = {rank: json.loads(text) for rank, text in files(name).items()}
    assert {rank: each["total"] for rank, each in found.items()} == {f"{rank}.json": 10 for rank in range(4)}
    assert len({each["pid"] for each in found.values()}) == 4
    assert [(each["node"], each["local"]) for _, each in sorted(found.items())] == [
        *(("0", "0"), ("0", "1")),
        *(("1", "0"), ("1", "1")),
    ]
    # and each has a log of its own
    assert set(ended["logFiles"]) == {f"user_logs/std_log_process_{rank}.txt" for rank in range(4)}
    assert all("the sum is 10" in submitter.http.get(url).text for url in ended["logFiles"].values())


def test_a_distributed_step_ends_when_its_workers_have_ended(
    submitter: Any, code: Path, files: Callable[[str], dict[str, str]]
) -> None:
    component = submitter.component(
        "python cluster.py ${{outputs.out}}",
        code=submitter.code(code),
        outputs={"out": {"type": "uri_folder"}},
        distribution={"type": "TensorFlow", "parameter_server_count": "1"},
    )
    node = {
        "type": "command",
        "componentId": component,
        "resources": {"instance_count": 2},
        "outputs": {"out": {"value": "${{parent.outputs.out}}", "type": "literal"}},
    }

    name = submitter.pipeline({"train": node}, outputs={"out": {"jobOutputType": "uri_folder"}})

    assert submitter.wait(name)["status"] == "Completed"
    assert files(name) == {"worker-0": "2", "worker-1": "2", "ps-0": "2"}


@pytest.mark.parametrize(
    ("how", "ending"), [("fail", "rank 1, exited with code 3"), ("die", "rank 1, was killed by signal 9")]
)
def test_the_first_rank_that_fails_ends_all(submitter: Any, code: Path, how: str, ending: str) -> None:
    job = submitter.command(f"python trouble.py {how}", codeId=submitter.code(code), distribution=PROCESSES)

    details = submitter.wait(job, "Failed")

    message = details["error"]["error"]["message"]
    assert f"{ending}. Still running then: rank 0. " in message
    assert "rank 1 is in trouble" in message
    assert [process_start_time(pid) for pid in pids(submitter, job)] == [None, None]


def test_a_rank_that_hangs_ends_with_the_timeout_and_is_named(submitter: Any, code: Path) -> None:
    limits = {"jobLimitsType": "Command", "timeout": "PT2S"}
    job = submitter.command(
        "python trouble.py hang", codeId=submitter.code(code), distribution=PROCESSES, limits=limits
    )

    details = submitter.wait(job, "Failed")

    assert "exceeded its timeout of 2 s and was stopped. Still running: rank 1." in details["error"]["error"]["message"]
    assert [process_start_time(pid) for pid in pids(submitter, job)] == [None, None]


def test_a_cancel_ends_all_ranks(submitter: Any, code: Path) -> None:
    job = submitter.command("python trouble.py wait && true", codeId=submitter.code(code), distribution=PROCESSES)
    running = pids(submitter, job)

    submitter.cancel(job)

    submitter.wait(job, "Canceled")
    assert [process_start_time(pid) for pid in running] == [None, None]


def test_trials_of_a_sweep_are_distributed_and_the_best_output_is_registered(
    ml_client: Any, submitter: Any, code: Path
) -> None:
    from azure.ai.ml import Output, PyTorchDistribution, command
    from azure.ai.ml.sweep import Choice

    name = f"swept-{uuid.uuid4().hex[:8]}"
    base = command(
        command="python trial.py ${{inputs.x}} ${{outputs.out}}",
        code=str(code),
        environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
        inputs={"x": 1.0},
        outputs={"out": Output(type="uri_folder", name=name)},
        distribution=PyTorchDistribution(process_count_per_instance=2),
    )
    sweep = base(x=Choice([2.0, 5.0])).sweep(
        compute="cpu-cluster", sampling_algorithm="grid", primary_metric="score", goal="Maximize"
    )
    sweep.set_limits(max_total_trials=2, max_concurrent_trials=1)

    job = ml_client.jobs.create_or_update(sweep)

    submitter.wait(job.name, "Completed")
    best = submitter.details(job.name)["properties"]
    assert float(best["score"]) == 10.0
    logs = submitter.details(best["best_child_run_id"])["logFiles"]
    assert {f"user_logs/std_log_process_{rank}.txt" for rank in range(2)} <= set(logs)
    assert [each.version for each in ml_client.data.list(name=name)] == ["1"]


@pytest.mark.skipif(not has_private_networks(), reason="this machine cannot make networks")
@pytest.mark.parametrize("command", ["python listen.py", "exec python listen.py"], ids=["forked", "by a shell"])
def test_other_users_do_not_reach_what_ranks_open_for_each_other(
    emulator: RunningEmulator, submitter: Any, code: Path, command: str
) -> None:
    # given a first process that listens on MASTER_PORT, and a second one that is connected to it
    job = submitter.command(
        command,
        codeId=submitter.code(code),
        distribution={"distributionType": "PyTorch", "processCountPerInstance": 2},
    )

    def connected() -> list[str] | None:
        logs = [submitter.http.get(url).text for url in submitter.details(job)["logFiles"].values()]
        return logs if len(logs) == 2 and all("\nconnected " in log for log in logs) else None

    logs = wait_for(connected)
    port = int(logs[0].rpartition("connected ")[2])

    # then they are in one network that is not this one
    networks = {str(Path(f"/proc/{pid}/ns/net").readlink()) for pid in pids(submitter, job)}
    assert len(networks) == 1
    assert networks != {str(Path("/proc/self/ns/net").readlink())}
    # and neither this user nor another one gets a connection
    assert unlisted(emulator.settings.state) == []
    users = ["root", "nobody"] if os.geteuid() == 0 else [None]
    for user in users:
        tried = subprocess.run(
            ["/bin/bash", "-c", f"</dev/tcp/127.0.0.1/{port}"], user=user, capture_output=True, check=False, cwd="/"
        )
        assert b"refused" in tried.stderr, (user, tried)
    assert "share a network of their own" in logs[0]
    submitter.cancel(job)
    submitter.wait(job, "Canceled")


def test_the_log_says_where_other_users_reach_the_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts = Processes(Store(tmp_path / "store.sqlite")), Listeners(tmp_path)
    monkeypatch.setattr(rank_networks, "has_private_networks", lambda: False)
    made = [rank_networks.RankNetworks(*parts, open_ports=chosen) for chosen in (False, True)]

    async def found() -> list[Any]:
        return [await each.describe() for each in made] + [await each.network("job", 1) for each in made]

    impossible, chosen, *networks = asyncio.run(found())

    assert "it cannot give them a network of their own" in impossible
    assert "--open-rank-ports" in chosen
    assert networks == [None, None]


def test_a_network_of_its_own_has_https_by_a_proxy() -> None:
    # given a server that answers what it gets, and the proxy
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def answered(head: bytes, port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        answer = await reader.read()
        writer.close()
        return answer

    async def tried() -> list[bytes]:
        relays = Relays()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = await asyncio.start_server(relays.to_web, "127.0.0.1", 0)
        to, by = (each.sockets[0].getsockname()[1] for each in (server, proxy))
        heads = [
            b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\nhello\n" % to,
            b"GET http://127.0.0.1:%d/ HTTP/1.1\r\n\r\n" % to,
            b"CONNECT\r\n\r\n",
            b"CONNECT no-such-host.invalid:443 HTTP/1.1\r\n\r\n",
        ]
        answers = [await answered(head, by) for head in heads]
        proxy.close()
        server.close()
        await relays.close()
        return answers

    answers = asyncio.run(tried())

    assert answers[0] == b"HTTP/1.1 200 Connected\r\n\r\nhello\n"
    assert answers[1].startswith(b"HTTP/1.1 405")
    assert answers[2:] == [b"", b""]
