"""score.py inside Microsoft's own inference server, as a process, over HTTP."""

import json
import time

import httpx
import pytest

GOOD = {"age": 40, "income": 1200.5, "kind": 2}
START_SECONDS = 60


# They share one server, and with it one worker.
pytestmark = pytest.mark.xdist_group("servers")


@pytest.fixture
def client(inference_server: httpx.Client) -> httpx.Client:
    return inference_server


def test_a_good_request_is_answered_as_plain_json_with_the_model_in_the_headers(client, expected_probability):
    reply = client.post("/score", json={"input_data": [GOOD, GOOD | {"kind": 4}]})

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert (reply.headers["x-model-name"], reply.headers["x-model-version"]) == ("tiny", "7")
    assert reply.headers["x-ms-run-function-failed"] == "False"
    answer = reply.json()
    assert answer.keys() == {"model", "model_version", "threshold", "predictions"}
    got = [each["probability"] for each in answer["predictions"]]
    expected = [expected_probability(40, 1200.5, 2), expected_probability(40, 1200.5, 4)]
    assert got == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"\xff\x00", None),
        (b"{'input_data': []}", None),
        (b"[[[[" * 50_000, None),
        (b'{"input_data": []}', None),
        (b'{"input_data": [{"age": NaN, "income": 1, "kind": 1}]}', "age"),
        (b'{"input_data": [{"age": "40", "income": 1, "kind": 1}]}', "age"),
        (b'{"input_data": [{"age": 40, "income": null, "kind": 1}]}', "income"),
        (b'{"input_data": [{"age": 40, "income": 1e999, "kind": 1}]}', "income"),
        (b'{"input_data": [{"age": 40, "income": 1, "kind": 3}]}', "kind"),
        (b'{"input_data": [{"age": 40, "income": 1}]}', "kind"),
        (b'{"input_data": {"age": 40, "income": 1, "kind": 1, "zip": 8}}', "zip"),
    ],
    ids=[
        "empty",
        "bytes",
        "quotes",
        "nested",
        "no rows",
        "NaN",
        "string",
        "null",
        "1e999",
        "category",
        "missing",
        "?",
    ],
)
def test_a_bad_request_is_a_400_with_reasons_never_a_500(client, body, field):
    reply = client.post("/score", content=body, headers={"Content-Type": "application/json"})

    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    assert error["code"] == "InvalidInput"
    assert [detail["field"] for detail in error["details"]] == ([field] if field else [])


def test_a_get_without_a_body_is_refused_and_the_swagger_routes_do_not_break(client):
    assert client.get("/score").status_code == 400
    assert client.get("/swagger.json", params={"version": 3}).json()["info"]["title"]
    assert client.get("/").status_code == 200


def test_thousands_of_rows_in_one_request(client):
    rows = [GOOD | {"income": float(index)} for index in range(20_000)]

    reply = client.post("/score", content=json.dumps({"input_data": rows}))

    assert reply.status_code == 200
    assert len(reply.json()["predictions"]) == 20_000


def test_scoring_continues_when_collected_data_cannot_be_delivered(package, running_server, tmp_path):
    # given a collector address on which nothing listens
    configuration = tmp_path / "collector.json"
    names = ("model_inputs", "model_outputs")
    collections = {name: {"enabled": True, "sampleRatePercentage": 100} for name in names}
    configuration.write_text(json.dumps({"runMode": "cloud", "collections": collections}))
    log = tmp_path / "server.log"
    variables = {
        "AZUREML_MDC_CONFIG_PATH": str(configuration),
        "AZUREML_MDC_HOST": "127.0.0.1",
        "AZUREML_MDC_PORT": "1",
    }
    with running_server(package.parent, log, **variables) as address:
        # then requests are answered, and the log says what was lost
        deadline = time.monotonic() + START_SECONDS
        while "messages not delivered" not in log.read_text():
            assert httpx.post(f"{address}/score", json={"input_data": [GOOD]}).status_code == 200
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        assert "lost some collected data, scoring continues" in log.read_text()
        # and the library does not log every message
        assert "send payload" not in log.read_text()


def test_a_wrong_digest_keeps_the_server_from_starting_and_the_log_says_why(package, start_server, tmp_path):
    log = tmp_path / "server.log"

    process, _ = start_server(package.parent, log, MODEL_DIGEST="sha256:" + "0" * 64)

    assert process.wait(START_SECONDS) != 0
    assert "but the release promises sha256:000" in log.read_text()
