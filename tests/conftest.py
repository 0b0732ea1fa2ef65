"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Most tests are about something else and need no model or path tracer; those that do name theirs. Children inherit it.
os.environ.setdefault("PACKSHOT_REFINER", "none")
os.environ.setdefault("PACKSHOT_LIGHT", "raster")


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


@pytest.fixture(scope="session")
def tiny_sd15(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion 1.5 img2img pipeline of a few MB with two ControlNets of its own. Copy it to change it."""
    from tests.tiny_pipelines import save_tiny_pipeline

    return save_tiny_pipeline(tmp_path_factory.mktemp("models") / "sd15", controlnets=2)


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SDXL img2img pipeline of a few MB with a ControlNet Union of its own. Copy it to change it."""
    from tests.tiny_pipelines import save_tiny_sdxl

    return save_tiny_sdxl(tmp_path_factory.mktemp("models") / "sdxl")
