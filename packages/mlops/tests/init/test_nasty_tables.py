"""Tables as people have them on a bad day: each becomes a proposal or one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

import pytest
from table_files import Dialect

from mlops.core.errors import InputError
from mlops.init.columns import infer
from mlops.init.proposal import propose, sample_request, schema_text
from mlops.init.reading import read_table
from model_package.schema_file import read_schema_file

ROWS = 120
START = datetime(2024, 1, 5, 7, 30, tzinfo=UTC)
MOMENTS = [START + timedelta(days=3 * row, minutes=11 * row) for row in range(ROWS)]
NOISE = [str(row * 37 % 101) for row in range(ROWS)]
BOTH = ["0", "1"] * (ROWS // 2)
Table = bytes


def table(columns: Mapping[str, Sequence[str]], dialect: Dialect | None = None) -> Table:
    """A CSV of ROWS rows; shorter columns are repeated."""
    written = dialect or Dialect()
    names = written.separator.join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in columns)
    rows = zip(*(islice(cycle(each), ROWS) for each in columns.values()), strict=True)
    lines = [names, *(written.separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)]
    return written.line_end.join([*lines, ""]).encode(written.encoding)


def column(*values: str, name: str = "x", dialect: Dialect | None = None) -> Table:
    """A table of which one column is of interest."""
    return table({"noise": NOISE, name: values, "y": BOTH}, dialect)


def target(*values: str) -> Table:
    """A table of which the target is of interest."""
    return table({"noise": NOISE, "y": values})


def dates(*forms: str) -> Table:
    """A table with a column of dates, written in these forms in turn."""
    return column(*[moment.strftime(form) for moment, form in zip(MOMENTS, cycle(forms), strict=False)])


def outcome(file: Path) -> str:
    """What is proposed for the columns of interest, or the sentence of the refusal with what to do."""
    try:
        source = read_table(file)
        proposal = propose(source, infer(source), "y", None, None, None)
    except InputError as refused:
        return f"{refused.message.removeprefix(f'{file} ')} → {refused.advice}"
    (file.parent / "schema.yml").write_text(schema_text(proposal), encoding="utf-8")
    read_schema_file(file.parent / "schema.yml")
    sample_request(proposal)
    said = [f"{proposal.target.task}, positive {proposal.target.positive}, {proposal.rows} rows"]
    for each in proposal.columns:
        if each.name not in ("noise", "y"):
            kind = f"ignored: {each.ignored}" if each.ignored else each.type + (" (open)" if each.is_open else "")
            said.append("; ".join([f"{each.name}: {kind}", *([each.example] if each.example else []), *each.notes[:1]]))
    return " | ".join(said if len(said) == 1 else said[1:])


ONE_COLUMN: Mapping[str, tuple[Table, str]] = {
    "one category": (column("same"), "x: ignored: constant; same; every row has 'same'"),
    "all missing": (column("", "NA"), "x: ignored: all missing; no row has a value"),
    "CRLF": (column("a", "b", dialect=Dialect(line_end="\r\n")), "x: category; a"),
    "two byte order marks": (b"\xef\xbb\xbf" + column("a", dialect=Dialect(encoding="utf-8-sig")), "constant"),
    "UTF-16": (column("ä", "b", dialect=Dialect(encoding="utf-16")), "x: category; ä"),
    "Latin-1": (column("ä", "é", dialect=Dialect(encoding="latin-1")), "x: category; ä"),
    "decimal commas": (column("1,5", "2,25", "1.234,5", dialect=Dialect(";")), "x: number; 1.5"),
    "Excel's hint": (b"sep=;\n" + column("1,5", "2,5", dialect=Dialect(";")), "x: number; 1.5"),
    "thousands": (column("1,234", "12,345", "1,234,567"), "x: integer; 1234"),
    "quoted newlines": (column("a\nb", "c"), "x: category; a\nb"),
    "infinity": (column("1.5", "inf", "-Infinity", "2"), "x: number; 1.5"),
    "too large": (column("1.5", "1e400", "2"), "x: ignored: too large; 1.5; numbers above 3.4e38 do not fit"),
    "above 2**53": (column(*[str(2**53 + 1 + row % 7) for row in range(ROWS)]), "x: ignored: identifier; 90071992"),
    "per cent": (column("12%", "3.5%", "100 %"), "x: number; 12.0; numbers, written without '%'"),
    "dollars": (column("$1,200.50", "-$3", "$4.25"), "x: number; 1200.5; numbers, written without '$'"),
    "euros": (column("12,50 €", "3,00 €", dialect=Dialect(";")), "x: number; 12.5; numbers, written without '€'"),
    "two currencies": (column("12.50 €", "$3"), "x: category; 12.50 €"),
    "units": (
        column("12 kg", "3kg", "7.5 kg"),
        "x: category; 12 kg; numbers with the unit 'kg'; write them without it",
    ),
    "units in every row": (
        column(*[f"{row} km" for row in range(ROWS)]),
        "x: ignored: numbers with a unit; 0 km; numbers",
    ),
    "a few words": (
        column(*[str(row) for row in range(99)], "many"),
        "most values are numbers, but not 'many'; correct",
    ),
    "leading zeros": (column("01234", "04711", "99999"), "x: category; 01234"),
    "t and f": (column("t", "f"), "x: boolean; true; 't' is true and 'f' is false"),
    "long texts that come back": (column("z" * 500, "b"), "x: text; zzz"),
    "seconds since 1970": (
        column(*[str(int(each.timestamp())) for each in MOMENTS], name="created_at"),
        "created_at: timestamp; 2024-01-05T07:30:00Z; seconds since 1970, written as ISO 8601",
    ),
    "milliseconds since 1970": (
        column(*[str(int(each.timestamp()) * 1000 + 7) for each in MOMENTS], name="ts"),
        "ts: timestamp; 2024-01-05T07:30:00.007Z; milliseconds since 1970",
    ),
    "ISO dates": (dates("%Y-%m-%d"), "x: timestamp; 2024-01-05"),
    "day first": (dates("%d/%m/%Y"), "x: timestamp; 2024-01-05; dates are read day first"),
    "month first": (dates("%m/%d/%Y"), "x: timestamp; 2024-01-05; dates are read month first"),
    "dots": (dates("%d.%m.%y"), "x: timestamp; 2024-01-05; dates are read day first"),
    "named months": (dates("%B %d, %Y"), "x: timestamp; 2024-01-05"),
    "dates of mails": (dates("%a, %d %b %Y %H:%M:%S GMT"), "x: timestamp; 2024-01-05T07:30:00Z"),
    "time zones": (dates("%Y-%m-%d %H:%M:%S+02:00"), "x: timestamp; 2024-01-05T05:30:00Z"),
    "two notations": (
        dates("%Y-%m-%d", "%d %b %Y"),
        "dates in several notations, such as '2024-01-05' and '01 Apr 2024'; write them all as 2024-01-31",
    ),
    "day and month in turn": (
        dates("%d/%m/%Y", "%m/%d/%Y"),
        "the day is first in '13/09/2024', and the month in '01/14/2024'; write them all as 2024-01-31",
    ),
    "day or month": (
        column("01/02/2024", "03/04/2024"),
        "x: ignored: ambiguous dates; 2024-02-01; '01/02/2024' may be",
    ),
    "no date": (column("2024-01-31", "2024-02-31"), "'2024-02-31' is not a valid date; correct it, or leave it empty"),
    "most are dates": (
        column(*[f"2024-01-{1 + row:02}" for row in range(30)], "soon"),
        "most values are dates, but not 'soon'; correct such values",
    ),
}
TABLE_NAMES = dict.fromkeys(("count", "rows", "value", "index", "literal", "len"), ("a", "b", "c"))
NAMES = ["a b", "a.b", "it's", "größe, m²", "日本", "100%", "#x", "a:b", "- z", "{a}", "null", "yes", "~", "Age", "age"]
WHOLE: Mapping[str, tuple[Table, str]] = {
    "duplicate header": (
        b"a,a,y\n1,2,0\n",
        "has columns of the same name: 'a' (2 times) → Rename or remove all but one",
    ),
    "a pattern as a name": (
        table({"*": NOISE, "y": BOTH}),
        "has a column named '*', which would stand for many columns",
    ),
    "names of any letters": (table({**dict.fromkeys(NAMES, NOISE), "y": BOTH}), f"{NAMES[-1]}: integer; 0"),
    "names that tables give": (table({**TABLE_NAMES, "y": BOTH}), "rows: category; a | value: category; a"),
    "quotes in a name": (table({'say "hi"': NOISE, "y": BOTH}), "say 'hi': integer; 0"),
    "names that the model makes": (
        table({"when": [f"{each:%Y-%m-%d}" for each in MOMENTS], "when.days": NOISE, "y": BOTH}),
        "when: timestamp; 2024-01-05 | when.days: ignored: derived; 0; the model makes it of 'when' itself",
    ),
    "no name": (table({"": NOISE, "y": BOTH}), "column_1: integer; 0"),
    "header only": (b"a,b,y\n", "has a header but no rows → Give a file with data."),
    "2 rows": (b"a,y\n1,0\n3,1\n", "2 rows have a target; at least 50 are needed to train, validate and test → Give"),
    "3 classes in 4 rows": (b"a,y\n1,u\n3,v\n3,w\n4,w\n", "4 rows have a target; at least 50 are needed"),
    "zero bytes": (column("a\0b", "c"), "has 60 zero bytes, the first in line 2 → Remove them (`tr -d '\\000'`)"),
    "a text with commas": (
        b"# A model\n\nIt is trained, evaluated, and released.\nMore is in the tutorial.\n",
        "is not a table: it seems to be a Markdown document",
    ),
    "lines above the header": (
        b"# exported today\n\n" + table({"a": NOISE, "b": NOISE, "y": BOTH}),
        "does not begin with its header, but with '# exported today' → Remove the 2 lines above the header",
    ),
    "target with missing values": (target("0", "1", ""), "binary_classification, positive None, 80 rows"),
    "target with one value": (
        target("1"),
        "the target 'y' has one value only, '1': there is nothing to predict → Give",
    ),
    "target without values": (target("", "NA"), "the target 'y' has no values → Give another --target"),
    "yes and no": (target("yes", "no"), "binary_classification, positive yes, 120 rows"),
    "Y and N": (target("N", "Y"), "binary_classification, positive Y, 120 rows"),
    "Yes and NO": (target("Yes", "NO", "yes"), "binary_classification, positive Yes, 120 rows"),
    "two spellings of yes": (
        target("yes", "no", "Y", "N"),
        "the target 'y' spells yes and no in several ways: 'N', 'Y', 'no', 'yes' → Write each of the two in one way",
    ),
    "a class of one row": (
        target(*["a"] * 119, "b"),
        "too few rows of a class to split them: 'b' (1); every class needs",
    ),
    "a target of dates": (target("2024-01-31", "2024-02-01"), "the target 'y' is a date: no task predicts dates → Add"),
}


@pytest.mark.parametrize(("content", "expected"), [*ONE_COLUMN.values(), *WHOLE.values()], ids=[*ONE_COLUMN, *WHOLE])
def test_a_nasty_table_is_proposed_or_refused_in_a_sentence(content: bytes, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "nasty.csv"
    file.write_bytes(content)

    assert expected in outcome(file)
