"""The agreement with infra's handler: an event looks as its tests say, and what it hands on is understood here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlops.audit.announcement import Announcement, announcement_of
from mlops.retraining.begin import TriggerReference, read_trigger

from .test_retraining_policy import cause

CONTRACT = Path(__file__).parents[4] / "infra" / "tests" / "contract"
EVENT: dict[str, Any] = json.loads((CONTRACT / "drift_event.json").read_text(encoding="utf-8"))
HANDED_ON: dict[str, Any] = json.loads((CONTRACT / "handed_on.json").read_text(encoding="utf-8"))


def test_an_event_of_drift_is_what_the_handler_was_tested_with() -> None:
    told = announcement_of(cause(), EVENT["source"])

    assert told
    sent = told.model_dump(mode="json")
    assert sent.keys() == EVENT.keys()
    assert sent["data"].keys() == EVENT["data"].keys()
    assert {name: type(value) for name, value in sent["data"].items()} == {
        name: type(value) for name, value in EVENT["data"].items()
    }
    assert Announcement.model_validate(EVENT).data.retrain


def test_what_the_handler_hands_on_is_a_pointer_to_the_same_record() -> None:
    payload = HANDED_ON["github"]["client_payload"]
    parameters = HANDED_ON["azure_devops"]["templateParameters"]

    assert (
        read_trigger(json.dumps(payload))
        == read_trigger(json.dumps(EVENT))
        == TriggerReference("prod", 17, EVENT["id"])
    )
    assert read_trigger(parameters["because"]) == TriggerReference("prod", 17)
