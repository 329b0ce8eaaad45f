"""Generate support tickets: a row per ticket, with the team that solved it. The same seed gives the same bytes."""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
EXAMPLE = "example: python generate.py --rows 4000 --seed 5 --out tickets.csv"
COLUMNS = ("ticket", "received", "channel", "product", "customer_months", "message", "team")
FIRST_DAY = datetime(2025, 1, 1)  # noqa: DTZ001 - the table's times have no zone
DAYS = 365
FIRST_TICKET = 100_001
PRODUCTS = 60
CHANNELS = ("chat", "email", "phone")

WRONG_TEAM = 0.08
VAGUE = 0.12
OF_ANOTHER_TEAM = 0.3
EMPTY_MESSAGE = 0.03
MISSING_MONTHS = 0.12
TYPO = 0.03


@dataclass(frozen=True)
class Team:
    """How frequent a team's tickets are, how they come in, and what they say."""

    share: float
    channels: tuple[float, float, float]
    hours: tuple[int, int]
    longest_months: int
    subjects: tuple[str, ...]
    details: tuple[str, ...]


TEAMS = {
    "billing": Team(
        0.46,
        (0.2, 0.5, 0.3),
        (8, 18),
        60,
        (
            "my invoice is wrong",
            "I was charged twice",
            "the refund has not arrived",
            "your direct debit failed",
            "the price went up without notice",
            "meine Rechnung ist zu hoch",
            "which payment methods do you accept",
            "I need a receipt for the tax office",
        ),
        ("the amount differs from my contract", "my bank returned the payment", "please send a corrected invoice"),
    ),
    "technical": Team(
        0.31,
        (0.5, 0.2, 0.3),
        (0, 24),
        48,
        (
            "the app crashes when it starts",
            "the connection drops every evening",
            "uploads are very slow",
            "the screen stays black after the update",
            "error 504 on every page",
            "die Verbindung bricht ständig ab",
            "synchronisation never finishes",
            "the device does not switch on",
        ),
        ("I have restarted it already", "it worked before the last update", "the log says timeout"),
    ),
    "account": Team(
        0.15,
        (0.6, 0.3, 0.1),
        (6, 23),
        36,
        (
            "I cannot log in",
            "the password reset mail never came",
            "my account is locked",
            "please change my email address",
            "the two-factor code is not accepted",
            "mein Passwort funktioniert nicht",
            "my user name is spelled wrong",
        ),
        ("I have a new phone number", "the code expired", "my colleague can log in"),
    ),
    "cancellation": Team(
        0.08,
        (0.1, 0.5, 0.4),
        (9, 20),
        24,
        (
            "I want to cancel my contract",
            "please confirm the end of my subscription",
            "how long is the notice period",
            "we are moving to another provider",
            "hiermit möchte ich kündigen",
            "delete my data when the contract ends",
        ),
        ("I do not use it any more", "a competitor is cheaper", "please confirm in writing"),
    ),
}
GREETINGS = ("hello", "hi there", "good morning", "dear support", "Guten Tag", "")
VAGUE_MESSAGES = ("please call me back", "see my last message", "it still does not work", "is anybody there", "thanks")
CLOSINGS = ("thank you", "this is urgent", "kind regards", "please help", "I have been waiting for days", "", "")


class Chance:
    """Random choices made of `random()` alone, whose sequence Python promises to keep for a seed."""

    def __init__(self, seed: int) -> None:
        self._next = random.Random(seed).random  # noqa: S311 - not for secrets

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self._next() < probability

    def below(self, end: int) -> int:
        """A whole number from 0 to below `end`."""
        return int(self._next() * end)

    def one_of(self, values: Sequence[T]) -> T:
        """A value; each is as likely as the others."""
        return values[self.below(len(values))]

    def weighted(self, weights: Sequence[float]) -> int:
        """The place of a weight; the weights sum to 1."""
        left = self._next()
        for place, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return place
        return len(weights) - 1


def with_typos(text: str, chance: Chance) -> str:
    """Swap two letters of some words."""
    words = text.split(" ")
    for place, word in enumerate(words):
        if len(word) > 3 and chance.happens(TYPO):
            at = chance.below(len(word) - 1)
            words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def message_of(team: Team, chance: Chance) -> str:
    """What a customer writes: sometimes nothing, sometimes nothing that tells the team."""
    if chance.happens(EMPTY_MESSAGE):
        return ""
    if chance.happens(VAGUE):
        parts = [chance.one_of(GREETINGS), chance.one_of(VAGUE_MESSAGES), chance.one_of(CLOSINGS)]
    else:
        other = chance.one_of(list(TEAMS.values())) if chance.happens(OF_ANOTHER_TEAM) else team
        details = (chance.one_of(team.subjects), chance.one_of(other.details))
        parts = [chance.one_of(GREETINGS), *details, chance.one_of(CLOSINGS)]
    return with_typos(", ".join(part for part in parts if part), chance)


def tickets(rows: int, seed: int) -> Iterator[tuple[object, ...]]:
    """Yield so many rows, day by day."""
    chance = Chance(seed)
    names, shares = list(TEAMS), [team.share for team in TEAMS.values()]
    for number in range(rows):
        name = names[chance.weighted(shares)]
        team = TEAMS[name]
        first, end = team.hours
        hour, minute = first + chance.below(end - first), chance.below(60)
        received = FIRST_DAY + timedelta(days=number * DAYS // rows, hours=hour, minutes=minute)
        # Drawn twice: a few products are frequent, most are rare.
        product = f"product {1 + chance.below(1 + chance.below(PRODUCTS))}"
        months = "" if chance.happens(MISSING_MONTHS) else 1 + chance.below(team.longest_months)
        channel = CHANNELS[chance.weighted(team.channels)]
        message = message_of(team, chance)
        solved_by = chance.one_of(names) if chance.happens(WRONG_TEAM) else name
        yield FIRST_TICKET + number, received.isoformat(), channel, product, months, message, solved_by


def main() -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Generate support tickets.", epilog=EXAMPLE)
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--rows", type=int, default=4_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    with arguments.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(tickets(arguments.rows, arguments.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
