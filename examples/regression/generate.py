"""Generate the demand for rented bicycles: a row per day and zone. The same seed gives the same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl

EXAMPLE = "example: python generate.py --rows 6000 --seed 7 --out demand.csv"
ZONES = {"airport": 0.5, "centre": 1.6, "harbour": 0.9, "suburb": 0.7, "university": 1.3}
WEATHER = {"clear": 1.0, "cloudy": 0.9, "rain": 0.55, "snow": 0.3}
WEATHER_SHARES = (0.45, 0.33, 0.18, 0.04)
FIRST_DAY = np.datetime64("2021-01-01")
DAYS_OF_A_YEAR = 365.25
MISSING_HUMIDITY = 0.06
USUAL_RENTALS = 120.0


def generate(rows: int, seed: int) -> pl.DataFrame:
    """Return so many rows, the oldest first."""
    random = np.random.default_rng(seed)
    zones = np.array(list(ZONES))
    number = np.arange(rows)
    day = FIRST_DAY + number // len(zones)
    zone = zones[number % len(zones)]
    weather = random.choice(list(WEATHER), rows, p=WEATHER_SHARES)
    season = np.sin(2 * np.pi * ((number // len(zones)) / DAYS_OF_A_YEAR - 0.25))
    temperature = 11 + 10 * season + random.normal(0, 3.5, rows)
    humidity = np.clip(60 + 20 * (weather == "rain") + random.normal(0, 10, rows), 5, 100)
    is_holiday = random.random(rows) < 0.04
    weekend = (day.astype("datetime64[D]").view("int64") + 4) % 7 >= 5
    expected = USUAL_RENTALS * np.vectorize(ZONES.get)(zone) * np.vectorize(WEATHER.get)(weather)
    expected *= np.exp(0.035 * (temperature - 11) - 0.004 * (humidity - 60))
    expected *= np.where(weekend | is_holiday, np.where(zone == "university", 0.5, 1.15), 1.0)
    rentals = random.poisson(expected * random.gamma(40, 1 / 40, rows))
    missing = random.random(rows) < MISSING_HUMIDITY
    return pl.DataFrame(
        {
            "row_id": number + 1,
            "day": day.astype(str),
            "zone": zone,
            "weather": weather,
            "holiday": np.where(is_holiday, "true", "false"),
            "temperature": temperature.round(1),
            "humidity": [None if gap else round(float(value), 1) for gap, value in zip(missing, humidity, strict=True)],
            "rentals": rentals,
        }
    )


def main() -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Generate the demand for bicycles.", epilog=EXAMPLE)
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--rows", type=int, default=6_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    arguments = parser.parse_args()
    generate(arguments.rows, arguments.seed).write_csv(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
