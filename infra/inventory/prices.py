"""The dated price table, and how it is read anew from the public Azure Retail Prices API (no login)."""

from __future__ import annotations

import datetime
import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

TABLE = Path(__file__).with_name("prices.yaml")
ADDRESS = "https://prices.azure.com/api/retail/prices"
HOURS_A_MONTH = 730
DAYS_A_MONTH = 30.4
TIMEOUT_SECONDS = 20
UNITS_A_MONTH = {"hour": HOURS_A_MONTH, "day": DAYS_A_MONTH, "month": 1}


class PriceError(Exception):
    """The price list does not answer as expected; the message says for which price."""


class Price(BaseModel):
    """One price, and how to find it in the price list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    unit_price: Annotated[float, Field(gt=0)]
    unit: Literal["hour", "day", "month"]
    confidence: Literal["price list", "documented", "remembered"]
    filter: str
    product_excludes: str | None = None
    global_: Annotated[bool, Field(alias="global")] = False

    @property
    def monthly(self) -> float:
        """What one such thing costs a month of 730 hours."""
        return self.unit_price * UNITS_A_MONTH[self.unit]


class PriceTable(BaseModel):
    """All prices, with their date and source."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str
    source: str
    region: str
    currency: str
    prices: tuple[Price, ...]

    def of(self, price_id: str) -> Price | None:
        """The price of that id, or None when the table has none."""
        return next((price for price in self.prices if price.id == price_id), None)


def load_prices(file: Path = TABLE) -> PriceTable:
    """The table as it stands. Raises pydantic.ValidationError when it is malformed."""
    return PriceTable.model_validate(yaml.safe_load(file.read_text()))


def refresh(table: PriceTable, today: datetime.date, address: str = ADDRESS) -> PriceTable:
    """The table with every price read anew. Raises PriceError or OSError; then nothing was changed."""
    prices = tuple(_read(price, table, address) for price in table.prices)
    return table.model_copy(update={"prices": prices, "date": today.isoformat(), "source": address})


def save(table: PriceTable, file: Path = TABLE) -> None:
    """Write the table; the comment at its top stays."""
    comment = [line for line in file.read_text().splitlines() if line.startswith("#")] if file.is_file() else []
    document = table.model_dump(by_alias=True, exclude_defaults=True)
    file.write_text("\n".join(comment) + "\n" + yaml.safe_dump(document, sort_keys=False, width=120))


def _read(price: Price, table: PriceTable, address: str) -> Price:
    region = "Global" if price.global_ else table.region
    question = f"{price.filter} and priceType eq 'Consumption'"
    question += "" if price.global_ else f" and armRegionName eq '{region}'"
    query = urllib.parse.urlencode({"currencyCode": table.currency, "$filter": question})
    with urllib.request.urlopen(f"{address}?{query}", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - https or a test
        found = [item for item in json.load(answer)["Items"] if _fits(item, price)]
    amounts = {item["retailPrice"] for item in found if item["retailPrice"] > 0}
    if len(amounts) != 1:
        listed = ", ".join(str(amount) for amount in sorted(amounts)) or "nothing"
        raise PriceError(f"the price list gives {listed} for {price.id}: make its filter in prices.yaml narrower")
    return price.model_copy(update={"unit_price": amounts.pop(), "confidence": "price list"})


def _fits(item: dict[str, Any], price: Price) -> bool:
    excluded = price.product_excludes
    return not (excluded and excluded in item.get("productName", "")) and item.get("type") == "Consumption"
