"""What a file is, by its first bytes: tells a table from the documents, archives and programs that are given for one.

Texts that could be a table are left to those who read tables; `likely_text` names them once they turn out not to be.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEGIN_BYTES: Final = 1 << 16
BYTE_ORDER_MARKS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_CSV: Final = "as CSV (UTF-8, separated by commas)"
_EXPORT: Final = f"Export its rows {_CSV}"
_SHEET: Final = f"Save the sheet with the rows {_CSV}"
_NO_ROWS: Final = "Give the file with the rows, which must be a table"
_UNPACK: Final = "Unpack it, and give the file with the rows"
_WITH_POLARS: Final = "Write it as CSV: `uv run python -c \"import polars; polars.{}('FILE').write_csv('rows.csv')\"`"
# A path that needs no quotes in a shell or in Python.
_PLAIN_PATH: Final = re.compile(r"[\w./-]+", re.ASCII)


@dataclass(frozen=True)
class FileFormat:
    """`name` with its article, what to do instead (FILE stands for its path), and suffixes it usually has.

    `is_table`: it has rows, so that a program may want it as it is.
    """

    name: str
    advice: str
    suffixes: tuple[str, ...] = ()
    is_table: bool = False

    def advice_for(self, file: Path) -> str:
        """What to do, without a full stop; commands name the file where its path needs no quotes."""
        return self.advice.replace("FILE", str(file)) if _PLAIN_PATH.fullmatch(str(file)) else self.advice


PARQUET: Final = FileFormat("a parquet file", _WITH_POLARS.format("read_parquet"), (".parquet",), is_table=True)
_ARROW: Final = FileFormat("an Arrow file", _WITH_POLARS.format("read_ipc"), (".arrow", ".feather"), is_table=True)
_GZIP: Final = FileFormat("compressed with gzip", "Unpack it: `gunzip FILE`", (".gz",), is_table=True)
_ZIP: Final = FileFormat("a zip archive", _UNPACK, (".zip",))
_BINARY: Final[dict[bytes, FileFormat]] = {
    b"PAR1": PARQUET,
    b"ARROW1": _ARROW,
    b"Obj\x01": FileFormat("an Avro file", _WITH_POLARS.format("read_avro"), (".avro",), is_table=True),
    b"ORC": FileFormat("an ORC file", _EXPORT, (".orc",), is_table=True),
    b"\x1f\x8b": _GZIP,
    b"\x28\xb5\x2f\xfd": FileFormat("compressed with zstd", "Unpack it: `unzstd FILE`", (".zst",), is_table=True),
    b"BZh": FileFormat("compressed with bzip2", "Unpack it: `bunzip2 FILE`"),
    b"\xfd7zXZ\x00": FileFormat("compressed with xz", "Unpack it: `unxz FILE`"),
    b"7z\xbc\xaf\x27\x1c": FileFormat("a 7-Zip archive", _UNPACK),
    b"Rar!": FileFormat("a RAR archive", _UNPACK),
    b"PK\x03\x04": _ZIP,
    b"PK\x05\x06": FileFormat("an empty zip archive", _NO_ROWS),
    b"\xd0\xcf\x11\xe0": FileFormat("an old Excel workbook, or another old Office document", _SHEET),
    b"%PDF": FileFormat("a PDF document", _NO_ROWS),
    b"%!PS": FileFormat("a PostScript document", _NO_ROWS),
    b"{\\rtf": FileFormat("an RTF document", _NO_ROWS),
    b"\xff\xd8\xff": FileFormat("a JPEG image", _NO_ROWS),
    b"\x89PNG": FileFormat("a PNG image", _NO_ROWS),
    b"GIF8": FileFormat("a GIF image", _NO_ROWS),
    b"II*\x00": FileFormat("a TIFF image", _NO_ROWS),
    b"MM\x00*": FileFormat("a TIFF image", _NO_ROWS),
    b"RIFF": FileFormat("an audio, video or WebP file", _NO_ROWS),
    b"SQLite format 3": FileFormat("an SQLite database", f"Export one table {_CSV}"),
    b"\x89HDF": FileFormat("an HDF5 file", _EXPORT),
    b"\x93NUMPY": FileFormat("a NumPy array", _EXPORT),
    b"\x80\x04\x95": FileFormat("a Python pickle", _EXPORT),
    b"\x80\x05\x95": FileFormat("a Python pickle", _EXPORT),
    b"$FL2": FileFormat("an SPSS file", _EXPORT),
    b"<stata_dta>": FileFormat("a Stata file", _EXPORT),
    b"\x7fELF": FileFormat("a program", _NO_ROWS),
    b"MZ\x90": FileFormat("a program", _NO_ROWS),
}
# Words that a header may begin with as well: without such bytes the file is a text.
_NO_WORDS: Final = frozenset(range(9))
# Programs that write zip archives, by the names of files within.
_ZIPPED: Final = {
    "xl/": FileFormat("an Excel workbook", _SHEET),
    "word/": FileFormat("a Word document", _NO_ROWS),
    "ppt/": FileFormat("a PowerPoint presentation", _NO_ROWS),
    "content.xml": FileFormat("an OpenDocument file", _SHEET),
    "Index/": FileFormat("a Numbers, Pages or Keynote document", _SHEET),
}
_NUMPY_ARCHIVE: Final = FileFormat("an archive of NumPy arrays", _EXPORT)
_DOWNLOAD: Final = "Download the data file itself, not the page that shows it"
# Texts that no table begins with.
_TEXTS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), FileFormat(name, advice))
    for pattern, name, advice in (
        (r"version https://git-lfs", "a Git LFS pointer without the rows", "Download them: `git lfs pull`"),
        (r"(<!--.*?-->\s*)?<(!doctype html|html|head|body|div|table)\b", "an HTML page", _DOWNLOAD),
        (r"(from: <saved by|mime-version:|snapshot-content-location:)", "a saved web page", _DOWNLOAD),
        (r"(from|to|received|return-path|delivered-to): ", "an email", "Save its attachment, and give that file"),
        (r"<(\?xml|!--|!doctype|[a-z][\w:.-]*[\s/>])", "an XML document", _EXPORT),
        (r'\{\s*"(cells|metadata|nbformat)"', "a Jupyter notebook", _NO_ROWS),
        (r'\{[^\n]*\}\n\{\s*"', "a JSON Lines file", _WITH_POLARS.format("read_ndjson")),
        (r'(\{\s*(["}]|$)|\[\s*([{\["\]]|-?\d|$))', "a JSON file", _EXPORT),
        (r"@relation\b", "an ARFF file", _EXPORT),
        (
            r"(create|drop) (table|database|schema)|insert into|begin;|select \S+ from ",
            "an SQL script",
            _EXPORT,
        ),
        (r"#!", "a script", _NO_ROWS),
        (r"-----BEGIN ", "a key or a certificate", _NO_ROWS),
        (r"[^\n]*\n[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*\|[-|: \t]*\n", "a Markdown table", _EXPORT),
    )
)
_TEXT_SUFFIXES: Final = {
    **dict.fromkeys((".md", ".markdown"), "a Markdown document"),
    **dict.fromkeys((".yml", ".yaml"), "a YAML file"),
    **dict.fromkeys((".ini", ".cfg", ".conf", ".toml", ".env"), "a configuration file"),
    **dict.fromkeys((".py", ".r", ".jl", ".sh", ".js", ".ts", ".java", ".scala", ".sql", ".c", ".go"), "source code"),
    ".dvc": "a DVC pointer without the rows (`dvc pull`)",
    ".rst": "a reStructuredText document",
    ".tex": "a LaTeX document",
    ".log": "a log",
}
_YAML_LINE: Final = re.compile(r"\s*(#.*|- .*|-|[\w.-]+:( .*)?)")
_SHOWN_TABLES: Final = 3
_COMPARED_LINES: Final = 50
_UNUSUAL_SEPARATORS: Final = {
    **{mark: f"'{mark}'" for mark in "~^§¦&!"},
    **{mark: f"the control character {ord(mark):#04x}" for mark in "\x01\x02\x1e\x1f"},
}


def recognise(file: Path) -> FileFormat | None:
    """What a file is that is certainly no CSV; None for one that may be."""
    with file.open("rb") as stream:
        begin = stream.read(BEGIN_BYTES)
    return _binary(file, begin) or _text(begin)


def _binary(file: Path, begin: bytes) -> FileFormat | None:
    for start, found in _BINARY.items():
        if begin.startswith(start) and (not start.isalnum() or _NO_WORDS.intersection(begin)):
            return _zipped(file) if found is _ZIP else found
    return None


def _text(begin: bytes) -> FileFormat | None:
    text = (decoded(begin) or "").lstrip("\ufeff \t\r\n")
    return next((found for pattern, found in _TEXTS if pattern.match(text)), None)


def likely_text(file: Path, text: str) -> str:
    """What a text that is no table seems to be: "a Markdown document", or just "a text"."""
    if named := _TEXT_SUFFIXES.get(file.suffix.lower()):
        return named
    lines = [line for line in text.splitlines() if line.strip()]
    if re.match(r"#{1,6} \S[^\n]*\n\s*\n", text):
        return "a Markdown document"
    if len(lines) > 1 and all(_YAML_LINE.fullmatch(line) for line in lines):
        return "a YAML file"
    return "a text"


def unusual_separator(text: str) -> str:
    """What divides the lines of a text into as many columns where none of the usual separators does; "" if nothing."""
    lines = [line.strip() for line in text.splitlines()[:_COMPARED_LINES] if line.strip()]
    if len(lines) > 1:
        for mark, name in _UNUSUAL_SEPARATORS.items():
            counts = {line.count(mark) for line in lines}
            if len(counts) == 1 and 0 not in counts:
                return name
        widths = {len(line.split()) for line in lines}
        if len(widths) == 1 and 1 not in widths:
            return "blanks"
    return ""


def tables_in(folder: Path) -> str:
    """The tables in a folder that is given for a file, as the end of an advice: ", such as data/a.csv", or nothing."""
    found = sorted(str(each) for each in folder.iterdir() if each.suffix.lower() in (".csv", ".parquet"))
    return f", such as {', '.join(found[:_SHOWN_TABLES])}" if found else ""


def decoded(begin: bytes) -> str | None:
    """The first bytes of a file as text, None if they are in no Unicode encoding; a cut character is left out."""
    mark = next((encoding for start, encoding in BYTE_ORDER_MARKS.items() if begin.startswith(start)), None)
    encoding = mark or utf16_of(begin) or "utf-8"
    try:
        return codecs.getincrementaldecoder(encoding)().decode(begin)
    except UnicodeDecodeError:
        return None


def utf16_of(content: bytes) -> str:
    """UTF-16 without a mark shows: in text of Western languages every second byte is zero. "" for all else."""
    sample = content[:4096]
    half = len(sample) // 2
    if half and sample[1::2].count(0) > 0.6 * half:
        return "utf-16-le"
    return "utf-16-be" if half and sample[0::2].count(0) > 0.6 * half else ""


def _zipped(file: Path) -> FileFormat:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return FileFormat("a damaged zip archive or Excel workbook", "Download or write it again")
    if names and all(name.endswith(".npy") for name in names):
        return _NUMPY_ARCHIVE
    return next((found for start, found in _ZIPPED.items() if any(name.startswith(start) for name in names)), _ZIP)
