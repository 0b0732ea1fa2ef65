"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with corpus/, bad/ and hdri/; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("PACKSHOT_CORPUS", ROOT.parent / "shared"))
    if not (folder / "corpus").is_dir():
        pytest.skip("the corpus is not beside this checkout (set PACKSHOT_CORPUS to the folder that holds corpus/)")
    return folder


@pytest.fixture(scope="session")
def example_catalogue() -> Path:
    return ROOT / "examples" / "catalogue"
