"""The variables and the log of each process of a distributed step."""

from __future__ import annotations

import json

from azureml_emulator.jobs.definitions.distribution import STEP_LOG, Distribution, members


def test_a_step_without_a_distribution_is_one_process() -> None:
    (only,) = members(None, [])

    assert (only.name, only.log, only.variables) == ("", STEP_LOG, {})


def test_one_process_with_a_distribution_has_its_variables_and_the_usual_log() -> None:
    (only,) = members(Distribution("pytorch", 1, 1), [7])

    assert (only.log, only.variables["WORLD_SIZE"], only.variables["MASTER_PORT"]) == (STEP_LOG, "1", "7")


def test_pytorch_numbers_processes_by_node() -> None:
    found = members(Distribution("pytorch", 2, 4), [1234])

    places = [tuple(each.variables[name] for name in ("RANK", "NODE_RANK", "LOCAL_RANK")) for each in found]
    assert places == [("0", "0", "0"), ("1", "0", "1"), ("2", "1", "0"), ("3", "1", "1")]
    assert {each.variables["WORLD_SIZE"] for each in found} == {"4"}
    assert {each.variables["AZUREML_NODE_COUNT"] for each in found} == {"2"}
    assert [each.log for each in found] == [f"user_logs/std_log_process_{rank}.txt" for rank in range(4)]


def test_mpi_has_the_variables_of_open_mpi() -> None:
    several, single = members(Distribution("mpi", 2, 4), [5]), members(Distribution("mpi", 1, 2), [5])

    assert several[3].variables == {
        "AZUREML_NODE_COUNT": "2",
        "OMPI_COMM_WORLD_RANK": "3",
        "OMPI_COMM_WORLD_SIZE": "4",
        "OMPI_COMM_WORLD_LOCAL_RANK": "1",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
        "AZ_BATCH_MASTER_NODE": "127.0.0.1:5",
    }
    assert single[0].variables["AZ_BATCHAI_MPI_MASTER_NODE"] == "127.0.0.1"
    assert [each.log for each in single] == ["user_logs/std_log_process_00.txt", "user_logs/std_log_process_01.txt"]


def test_tensorflow_describes_the_cluster_and_the_task() -> None:
    found = members(Distribution("tensorflow", 2, 2, 1), [1, 2, 3])

    cluster = {"worker": ["127.0.0.1:1", "127.0.0.1:2"], "ps": ["127.0.0.1:3"]}
    configurations = [json.loads(each.variables["TF_CONFIG"]) for each in found]
    assert [each["cluster"] for each in configurations] == [cluster] * 3
    assert [each["task"] for each in configurations] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
        {"type": "ps", "index": 0},
    ]
    assert [each.serves_others for each in found] == [False, False, True]
