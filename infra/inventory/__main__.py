"""`uv run --directory infra python -m inventory --stage prod`: what the program would make, and what it costs."""

from __future__ import annotations

import argparse
import datetime
import sys

from inventory.prices import PriceError, load_prices, refresh, save
from inventory.report import PARTS, report_of
from rehearsal.run import rehearse
from rehearsal.stack_file import stack_names
from settings.reading import SettingsError


def main() -> int:
    """Print the inventory; 2 when the settings are wrong, 3 when the price list cannot be read."""
    parser = argparse.ArgumentParser(
        prog="inventory", description="What a stack makes, who may do what, what it costs."
    )
    parser.add_argument("--stage", choices=stack_names(), required=True, help="the stack")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be repeated")
    parser.add_argument("--refresh", action="store_true", help="read prices anew from the Azure Retail Prices API")
    given = parser.parse_args()
    table = load_prices()
    try:
        if given.refresh:
            table = refresh(table, datetime.datetime.now(datetime.UTC).date())
            save(table)
        print(report_of(rehearse(given.stage), table, given.part or PARTS))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except (PriceError, OSError) as error:
        print(f"The price list cannot be read, prices.yaml is as it was: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
