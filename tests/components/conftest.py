"""One run of the five steps for all tests that look at what they wrote."""

import subprocess
import sys
from pathlib import Path

import pytest

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
    command = [sys.executable, str(generator), "--rows", str(SAMPLE_ROWS), "--out", str(data)]
    subprocess.run(command, check=True)
    return run_chain(data, folder, iterations=60)
