"""The inventory says what the program makes: nothing is missing from table, diagram, rights or bill."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from inventory.access import rights_of
from inventory.bill import bill_of
from inventory.diagram import diagram_of
from inventory.prices import PriceError, load_prices, refresh, save
from inventory.report import report_of
from rehearsal.records import Rehearsal
from rehearsal.run import rehearse
from rehearsal.stack_file import FOLDER
from tests.conftest import STACKS, rehearsal_of


class Prices(HTTPServer):
    """A price list on this machine."""

    ambiguous = False


class PriceList(BaseHTTPRequestHandler):
    """Answers like the Retail Prices API, one price for everything; more where `ambiguous` is asked for."""

    def do_GET(self) -> None:
        question = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["$filter"][0]
        ambiguous = isinstance(self.server, Prices) and self.server.ambiguous
        amounts = [0.5, 0.75] if "Private Zone" in question and ambiguous else [0.5]
        items = [{"retailPrice": amount, "type": "Consumption", "productName": "x"} for amount in amounts]
        items.append(
            {"retailPrice": 9.0, "type": "Consumption", "productName": "x Windows"}
            if "Virtual Machines" in question
            else {"retailPrice": 0.0, "type": "Consumption", "productName": "free"}
        )
        body = json.dumps({"Items": items}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def price_list() -> Iterator[Prices]:
    server = Prices(("127.0.0.1", 0), PriceList)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_report_names_every_resource(any_rehearsal: Rehearsal) -> None:
    text = report_of(any_rehearsal, load_prices(), ["resources"])
    assert f"## Resources ({len(any_rehearsal.resources)})" in text
    for record in any_rehearsal.resources:
        assert f"| {record.id.rsplit('/', 1)[-1]} |" in text


def test_every_role_assignment_is_in_the_matrix(any_rehearsal: Rehearsal) -> None:
    rights = rights_of(any_rehearsal)
    assert len(rights) == len(any_rehearsal.of("authorization:RoleAssignment"))
    # names, not ids
    assert not [right for right in rights if "-" in right.who and right.who.count("-") == 4]


def test_private_things_stand_in_their_subnets() -> None:
    text = diagram_of(rehearsal_of("prod"))
    assert text.startswith("flowchart LR\n")
    endpoints, kubernetes = text.index("snet-endpoints"), text.index("snet-kubernetes")
    training, services = text.index("snet-training"), text.index("Azure services")
    assert endpoints < text.index("endpoint_workspace[") < kubernetes < text.index("cluster[") < training
    assert training < text.index("cpu_cluster[") < services
    assert "endpoint_blob --> storage_account" in text
    assert text.count("subgraph") == [line.strip() for line in text.splitlines()].count("end")


def test_a_public_stage_has_no_network_in_its_picture() -> None:
    assert "Virtual network" not in diagram_of(rehearsal_of("dev"))


@pytest.mark.parametrize("stack", STACKS)
def test_everything_that_stands_has_a_price(stack: str) -> None:
    assert not bill_of(rehearsal_of(stack), load_prices()).unknown


def test_the_bill_counts_what_stands() -> None:
    # given prod: two system nodes and one for scoring, nine private endpoints
    lines = {line.price_id: line.count for line in bill_of(rehearsal_of("prod"), load_prices()).lines}
    assert lines["machine-Standard_D4ds_v5"] == 3
    assert lines["private-endpoint"] == 9
    assert lines["nat-gateway"] == 1
    assert lines["kubernetes-standard-tier"] == 1
    assert lines["images-Premium"] == 1
    # and dev, where nothing runs, costs about as much as its registry of images
    dev = bill_of(rehearsal_of("dev"), load_prices())
    assert {line.price_id for line in dev.lines} == {"images-Basic", "metric-alert"}
    assert dev.total < 10


def test_a_missing_price_is_said() -> None:
    table = load_prices()
    poorer = table.model_copy(update={"prices": tuple(p for p in table.prices if p.id != "nat-gateway")})
    assert "nat-gateway" in bill_of(rehearsal_of("prod"), poorer).unknown
    assert "Without a price" in report_of(rehearsal_of("prod"), poorer, ["bill"])


def test_refresh_reads_the_price_list(price_list: Prices, tmp_path: Path) -> None:
    # when prices are read anew
    address = f"http://127.0.0.1:{price_list.server_port}/"
    fresh = refresh(load_prices(), datetime.date(2030, 1, 2), address)
    # then each has the list's price, and date and source say so
    assert {price.unit_price for price in fresh.prices} == {0.5}
    assert {price.confidence for price in fresh.prices} == {"price list"}
    assert (fresh.date, fresh.source) == ("2030-01-02", address)
    # and the file keeps them
    save(fresh, tmp_path / "prices.yaml")
    assert load_prices(tmp_path / "prices.yaml") == fresh


def test_an_ambiguous_price_is_refused(price_list: Prices) -> None:
    price_list.ambiguous = True
    with pytest.raises(PriceError, match=r"0\.5, 0\.75 for private-zone"):
        refresh(load_prices(), datetime.date(2030, 1, 2), f"http://127.0.0.1:{price_list.server_port}/")


def test_prices_say_when_and_where_they_are_from() -> None:
    table = load_prices()
    assert datetime.date.fromisoformat(table.date)
    assert table.source


def test_the_command_prints_a_stack() -> None:
    command = [sys.executable, "-m", "inventory", "--stage", "shared", "--part", "bill"]
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert "USD a month**" in ran.stdout


def test_two_runs_print_the_same() -> None:
    again = rehearse("dev")
    assert report_of(again, load_prices()) == report_of(rehearsal_of("dev"), load_prices())


def test_the_bill_says_what_was_not_looked_up() -> None:
    table = load_prices()
    assert "were not looked up" in report_of(rehearsal_of("prod"), table, ["bill"])
    looked_up = tuple(price.model_copy(update={"confidence": "price list"}) for price in table.prices)
    fresh = table.model_copy(update={"prices": looked_up})
    assert "were not looked up" not in report_of(rehearsal_of("prod"), fresh, ["bill"])
