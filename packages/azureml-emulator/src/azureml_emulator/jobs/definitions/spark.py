"""The settings of a Spark step: what is run, with which modules and files. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field

INSTANCE_TYPES = ("standard_e4s_v3", "standard_e8s_v3", "standard_e16s_v3", "standard_e32s_v3", "standard_e64s_v3")


@dataclass(frozen=True)
class SparkSettings:
    """What a Spark step runs. All paths are relative to its code folder.

    `entry` is a Python file, `py_files` are zip files, wheels and modules that its functions import, `files` are put
    into the working folder. `conf` are options of Spark, of which the session gets all.
    """

    entry: str
    py_files: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    conf: dict[str, str] = field(default_factory=dict)
