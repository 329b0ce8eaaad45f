"""One run of the five steps for all tests that look at what they wrote."""

import pytest
from chain import Chain, run_chain, write_sample


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Run the chain on a small synthetic sample of the project's own columns."""
    folder = tmp_path_factory.mktemp("chain")
    return run_chain(write_sample(folder / "sample.csv"), folder, trials=4)
