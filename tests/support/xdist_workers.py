"""Lets pyspark be imported in a worker of pytest-xdist."""

from __future__ import annotations

import sys

import pytest


def give_main_a_file() -> None:
    """Name a file of the main module, which a worker's has not.

    pyspark takes a program without one for its own doctests, looks for a Spark of Java, and exits
    (`pyspark.sql.connect.utils.check_dependencies`). FLAML imports pyspark wherever it is installed.
    """
    main = sys.modules["__main__"]
    if main.__spec__ is None and not hasattr(main, "__file__"):
        main.__file__ = pytest.__file__
