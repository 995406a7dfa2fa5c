"""What all tests share."""

import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def test_data():
    """The folder of optional reference data, named by the environment variable TSD_TEST_DATA."""
    path = os.environ.get("TSD_TEST_DATA")
    if not path:
        pytest.skip("TSD_TEST_DATA names no folder of reference data")
    return pathlib.Path(path)
