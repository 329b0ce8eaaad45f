"""What the texts of a column mean: numbers, booleans, dates and times, whatever their notation. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

# "None" and "none" are not among them: they are ordinary categories, such as of a garage's finish.
MISSING: Final = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "?", "-")
_PAIRS: Final = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"))
# Words for the two, in lower case, and what the pipeline reads.
TRUE_AND_FALSE: Final = {word: value for pair in _PAIRS for word, value in zip(pair, ("false", "true"), strict=True)}

NumberStyle = Literal["point", "comma"]
DayOrder = Literal["day first", "month first"]
POINT: Final[NumberStyle] = "point"
COMMA: Final[NumberStyle] = "comma"
DAY_FIRST: Final[DayOrder] = "day first"
MONTH_FIRST: Final[DayOrder] = "month first"

# A thousands separator divides groups of three; a group cannot begin with 0, so that 0,123 is a fraction.
_NUMBER: Final = (
    r"^[+-]?(?:\d+|[1-9]\d{{0,2}}(?:{group}\d{{3}})+|[1-9]\d{{0,2}}(?:[ '\u00a0\u202f\u2019]\d{{3}})+)?"
    r"(?:{point}\d*)?(?:[eE][+-]?\d+)?$"
)
_STYLES: Final[dict[NumberStyle, str]] = {
    POINT: _NUMBER.format(group=",", point=r"\."),
    COMMA: _NUMBER.format(group=r"\.", point=","),
}
_FIRST: Final = 50
_PLAIN: Final = r"^[+-]?\d+$"
_DIGIT: Final = r"\d"
_LEADING_ZERO: Final = r"^0\d+$"
_COMPACT_DATE: Final = r"^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$"
# Of which the sign says what a number counts, and not how much.
_SYMBOLS: Final = "%$€£¥"
_WITH_SYMBOL: Final = (
    rf"^(?P<sign>[+-]?)(?P<before>[{_SYMBOLS}]?)[ \u00a0]?(?P<number>[^{_SYMBOLS}]*?)"
    rf"[ \u00a0]?(?P<after>[{_SYMBOLS}]?)$"
)
_WITH_UNIT: Final = r"^[+-]?\d[\d.,]*[ \u00a0]?(?P<unit>[A-Za-zµ°²³/]+)$"
_INFINITE: Final = r"^(?i)[+-]?inf(?:inity)?$"
_EPOCH_NAME: Final = re.compile(r"(?:^|[_\W])(?:ts|at)$|time|date|stamp|epoch|created|updated", re.IGNORECASE)
# The years 1990 to 2100, as seconds since 1970.
_EPOCH: Final = (631_152_000, 4_102_444_800)
_MILLISECONDS: Final = 1_000
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK: Final = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?(?: ?(?P<half>[AaPp][Mm]))?"
    r" ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?$"
)
_YEAR_FIRST: Final = r"^(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})" + _CLOCK
_MONTH: Final = r"^(?P<year>\d{4})[-/](?P<month>\d{2})(?P<day>)" + _CLOCK
_YEAR_LAST: Final = r"^(?P<one>\d{1,2})[-/.](?P<other>\d{1,2})[-/.](?P<year>\d{4}|\d{2})" + _CLOCK
_WEEKDAY: Final = r"^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?"
_NAMED_DAY: Final = _WEEKDAY + r"(?P<day>\d{1,2})[ -](?P<name>[A-Za-z]{3})[a-z]*\.?,?[ -](?P<year>\d{4})" + _CLOCK
_NAMED_MONTH: Final = (
    _WEEKDAY + r"(?P<name>[A-Za-z]{3})[a-z]*\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})" + _CLOCK
)
_COMPACT: Final = r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _CLOCK
_DATES: Final = (_YEAR_FIRST, _MONTH, _NAMED_DAY, _NAMED_MONTH, _YEAR_LAST)
_MOSTLY: Final = 0.9
_SEARCHED: Final = 200
_YEARS: Final = (1_500, 2_200)


def known(texts: pl.Series) -> pl.Series:
    """The texts without blanks around them; missing markers become null."""
    stripped = texts.str.strip_chars()
    return stripped.set(stripped.is_in(list(MISSING)), None)


def infinite(texts: pl.Series) -> pl.Series:
    """Which of the texts say infinity, in any spelling."""
    return texts.str.contains(_INFINITE).fill_null(value=False)


def symbol_of(distinct: pl.Series) -> str:
    """The symbol of per cent or of a currency before or after every one of the texts; "" if they do not share one."""
    if distinct.is_empty() or not _all_match(distinct, rf"[{_SYMBOLS}]"):
        return ""
    part = distinct.str.extract_groups(_WITH_SYMBOL).struct
    found = (part.field("before") + part.field("after")).unique()
    return str(found[0] or "") if len(found) == 1 and len(found[0] or "") == 1 else ""


def without_symbol(texts: pl.Series) -> pl.Series:
    """The texts without the symbol that `symbol_of` finds."""
    part = texts.str.extract_groups(_WITH_SYMBOL).struct
    return (part.field("sign") + part.field("number")).fill_null(texts).rename(texts.name)


def unit_of(distinct: pl.Series) -> str:
    """The letters after every one of the numbers, such as kg; "" if they do not share them."""
    if len(distinct) < 3 or not _all_match(distinct, _WITH_UNIT):
        return ""
    found = distinct.str.extract_groups(_WITH_UNIT).struct.field("unit").unique()
    return str(found[0]) if len(found) == 1 else ""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: Int64 where all are whole, else Float64; `is_wide` if some exceed 64 bits."""

    values: pl.Series
    has_fractions_written: bool
    is_wide: bool = False


def number_styles(distinct: pl.Series) -> frozenset[NumberStyle]:
    """The notations in which every one of the distinct texts is a number; empty if they are not numbers."""
    if distinct.is_empty() or not _all_match(distinct, _DIGIT) or distinct.str.contains(_LEADING_ZERO).any():
        return frozenset()
    return frozenset(style for style, pattern in _STYLES.items() if _all_match(distinct, pattern))


def are_numbers(distinct: pl.Series, style: NumberStyle) -> pl.Series:
    """Which of the texts are numbers in a notation."""
    return distinct.str.contains(_STYLES[style]) & distinct.str.contains(_DIGIT) & ~distinct.str.contains(_LEADING_ZERO)


def is_plain(distinct: pl.Series) -> bool:
    """Whether all are digits only, which every notation reads alike."""
    return _all_match(distinct, _PLAIN)


def _all_match(distinct: pl.Series, pattern: str) -> bool:
    """Whether all texts match. A few are asked first: most columns fail there, and the rest is many."""
    first = distinct.head(_FIRST).str.contains(pattern).all()
    return bool(first and distinct.str.contains(pattern).all())


def are_consecutive(numbers: pl.Series) -> bool:
    """Whether whole numbers count the rows, each once; years that do are a measurement."""
    low, high = numbers.min(), numbers.max()
    if not isinstance(low, int) or not isinstance(high, int) or high - low + 1 != len(numbers):
        return False
    return not (_YEARS[0] <= low and high <= _YEARS[1])


def style_of(columns: Iterable[frozenset[NumberStyle]], separator: str) -> NumberStyle:
    """The notation of a file: what the columns that allow only one of them say, else what its separator suggests."""
    votes = [next(iter(styles)) for styles in columns if len(styles) == 1]
    if votes.count(POINT) != votes.count(COMMA):
        return max((POINT, COMMA), key=votes.count)
    return COMMA if separator == ";" else POINT


def numbers(texts: pl.Series, style: NumberStyle) -> Numbers:
    """Read texts that `number_styles` accepts."""
    whole = texts.cast(pl.Int64, strict=False)
    if whole.null_count() == texts.null_count():
        return Numbers(whole, has_fractions_written=False)
    group, point = (",", ".") if style == POINT else (".", ",")
    plain = texts.str.replace_all(rf"[ '\u2019\u00a0\u202f{re.escape(group)}]", "")
    if style == COMMA:
        plain = plain.str.replace_all(point, ".", literal=True)
    whole = plain.cast(pl.Int64, strict=False)
    if whole.null_count() == texts.null_count():
        return Numbers(whole, has_fractions_written=False)
    if bool(plain.drop_nulls().str.contains(_PLAIN).all()):
        return Numbers(plain.cast(pl.Float64), has_fractions_written=False, is_wide=True)
    fractions = plain.cast(pl.Float64, strict=False)
    if bool((fractions.drop_nulls() == fractions.drop_nulls().round()).all()) and _fits(fractions):
        return Numbers(fractions.cast(pl.Int64), has_fractions_written=True)
    return Numbers(fractions, has_fractions_written=True)


def _fits(values: pl.Series) -> bool:
    return bool((values.drop_nulls().abs() < 2.0**53).all())


def booleans(texts: pl.Series, distinct: pl.Series) -> tuple[pl.Series, tuple[str, str]] | None:
    """Read yes and no, true and false; also the texts of the two, (false, true), as written. None if it is not such."""
    if not 1 <= len(distinct) <= 4:
        return None
    found = {text.lower() for text in distinct}
    for no, yes in _PAIRS:
        if found == {no, yes}:
            written = sorted(distinct.to_list())
            pair = tuple(next(text for text in written if text.lower() == word) for word in (no, yes))
            return texts.str.to_lowercase() == yes, (pair[0], pair[1])
    return None


@dataclass(frozen=True)
class Timestamps:
    """Dates and times, in UTC where the texts have a zone. `order` is None unless day and month are numbers at the
    front; `is_ambiguous` if nothing in the column says which of the two comes first."""

    values: pl.Series
    has_clock: bool
    has_zone: bool
    order: DayOrder | None = None
    is_ambiguous: bool = False

    def texts(self) -> pl.Series:
        """The values in ISO 8601: a date, or date and time, with Z where there was a zone."""
        if not self.has_clock:
            return self.values.dt.strftime("%Y-%m-%d")
        return self.values.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("Z" if self.has_zone else ""))


def timestamps(texts: pl.Series, distinct: pl.Series, order: DayOrder | None = None) -> Timestamps | None:
    """Read dates and times, of which every one must be valid; None if they are not such.

    `order` is what the rest of the file says about dates that could be read either way.
    """
    for pattern in (_YEAR_FIRST, _MONTH, _NAMED_DAY, _NAMED_MONTH):
        if _all_match(distinct, pattern):
            return _read(texts, pattern)
    if len(distinct) > 1 and _all_match(distinct, _COMPACT_DATE):
        return _read(texts, _COMPACT)
    if not _all_match(distinct, _YEAR_LAST):
        return None
    possible = [each for each in (DAY_FIRST, MONTH_FIRST) if _read(distinct, _YEAR_LAST, each) is not None]
    if not possible:
        return None
    dotted = _all_match(distinct, r"^\d+\.")
    chosen = possible[0] if len(possible) == 1 else DAY_FIRST if dotted else order
    read = _read(texts, _YEAR_LAST, chosen or DAY_FIRST)
    if read is None:
        return None
    return Timestamps(read.values, read.has_clock, read.has_zone, chosen, is_ambiguous=chosen is None)


def epoch_times(name: str, texts: pl.Series, distinct: pl.Series) -> tuple[pl.Series, str] | None:
    """Read whole numbers as seconds or milliseconds since 1970, and say which; None unless name and values agree."""
    if not _EPOCH_NAME.search(name) or not is_plain(distinct):
        return None
    values = texts.cast(pl.Int64, strict=False)
    for factor, unit in ((1, "seconds"), (_MILLISECONDS, "milliseconds")):
        if values.is_between(_EPOCH[0] * factor, _EPOCH[1] * factor).all():
            return (values * (_MILLISECONDS // factor)).cast(pl.Datetime("ms")), unit
    return None


def date_problem(distinct: pl.Series) -> str:
    """Why texts of which most are dates are no timestamps, and what to do about it; "" if they are no dates."""
    matches = [distinct.str.contains(pattern) for pattern in _DATES]
    found = matches[0] | matches[1] | matches[2] | matches[3] | matches[4]
    if not found.any() or found.mean() < _MOSTLY:  # ty: ignore[unsupported-operator]
        return ""
    advice = "write them all as 2024-01-31 to use them"
    if not found.all():
        return f"most values are dates, but not {distinct.filter(~found)[0]!r}; correct such values to use them"
    examples = [distinct.filter(each)[0] for each in matches if each.any()]
    if len(examples) > 1 and not any(each.all() for each in matches):
        return f"dates in several notations, such as {examples[0]!r} and {examples[1]!r}; {advice}"
    pattern = next(pattern for pattern, each in zip(_DATES, matches, strict=True) if each.all())
    orders = (DAY_FIRST, MONTH_FIRST) if pattern == _YEAR_LAST else (None,)
    wrong = [
        {text for text in distinct.head(_SEARCHED) if _read(pl.Series([text]), pattern, order) is None}
        for order in orders
    ]
    never = sorted(set.intersection(*wrong))
    if never:
        return f"{never[0]!r} is not a valid date; correct it, or leave it empty, to use them as dates"
    if all(wrong):
        return f"the day is first in {min(wrong[1])!r}, and the month in {min(wrong[0])!r}; {advice}"
    return ""


def _read(texts: pl.Series, pattern: str, order: DayOrder | None = None) -> Timestamps | None:
    """The timestamps of texts that match a pattern; None if one of them is no valid date, such as 31 February."""
    name = texts.name
    part = texts.str.extract_groups(pattern).struct
    fields = set(part.fields)
    names = ("one", "other") if order == DAY_FIRST else ("other", "one")
    # A month stands for its first day.
    day = part.field("day").replace("", "1") if order is None else part.field(names[0])
    if "name" in fields:
        month = (
            part.field("name")
            .str.to_lowercase()
            .replace_strict(
                list(_MONTHS), [f"{number:02}" for number in range(1, 13)], default=None, return_dtype=pl.String
            )
        )
    else:
        month = part.field("month") if order is None else part.field(names[1])
    year = part.field("year")
    short = year.str.len_chars() == 2
    if short.any():
        year = year.zip_with(~short, ("19" + year).zip_with(year.cast(pl.Int32, strict=False) >= 70, "20" + year))
    hour, zone = part.field("hour").fill_null("0"), part.field("zone")
    second = part.field("second").fill_null("0")
    hours = _hours(hour, part.field("half"))
    date = (year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)).str.to_date("%Y-%m-%d", strict=False)
    milliseconds = (
        hours * 3_600_000
        + part.field("minute").fill_null("0").cast(pl.Int64) * 60_000
        + (second.cast(pl.Float64) * 1000).round().cast(pl.Int64)
        - _offset_minutes(zone) * 60_000
    )
    if date.null_count() > texts.null_count() or bool((hours.drop_nulls() > 23).any()):
        return None
    values = date.cast(pl.Datetime("ms")) + milliseconds.cast(pl.Duration("ms"))
    return Timestamps(values.rename(name), bool(part.field("hour").is_not_null().any()), bool(zone.is_not_null().any()))


def _hours(hour: pl.Series, half: pl.Series) -> pl.Series:
    """Hours from 0 to 23, also of the clock with twelve."""
    plain = hour.cast(pl.Int64)
    late = (half.str.to_lowercase() == "pm") & (plain < 12)
    midnight = (half.str.to_lowercase() == "am") & (plain == 12)
    return plain + _ones(late) * 12 - _ones(midnight) * 12


def _offset_minutes(zone: pl.Series) -> pl.Series:
    digits = zone.str.replace_all(r"[:+-]", "")
    minutes = (
        digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(2, 2).cast(pl.Int64, strict=False)
    ).fill_null(0)
    return minutes - minutes * _ones(zone.str.starts_with("-")) * 2


def _ones(mask: pl.Series) -> pl.Series:
    return mask.fill_null(value=False).cast(pl.Int64)
