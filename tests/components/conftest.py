"""One run of the five steps for all tests that look at what they wrote."""

import sys
from pathlib import Path

import pytest
from programs import run_script

# pytest's importlib mode puts no test folder on the path; chain.py lies beside this file.
sys.path.insert(0, str(Path(__file__).parent))

from chain import ROOT, Chain, run_chain

SAMPLE_ROWS = 3_000


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Run the chain on a small synthetic sample."""
    folder = tmp_path_factory.mktemp("chain")
    data = folder / "sample.csv"
    generator = ROOT / "data" / "generate_sample.py"
    run_script(generator, "--rows", str(SAMPLE_ROWS), "--out", str(data)).check_returncode()
    return run_chain(data, folder, iterations=60)
