"""The refiner preset: its weights are loaded when the first image needs them."""

import os

from dagster import ConfigurableResource
from pydantic import PrivateAttr

from pipeline.refine import RefinerSettings, identity_of, make_refiner
from pipeline.refine.types import Refiner, RefinerIdentity


class RefinerResource(ConfigurableResource[Refiner]):
    """``none``, or ``diffusers:<folder or hub id>``; every other setting comes from the environment."""

    preset: str = "none"

    _refiner: Refiner | None = PrivateAttr(default=None)

    def settings(self) -> RefinerSettings:
        return RefinerSettings.from_environment({**os.environ, "PACKSHOT_REFINER": self.preset})

    def identity(self) -> RefinerIdentity:
        """What images will depend on; known without loading any weights."""
        return identity_of(self.settings())

    def get(self) -> Refiner:
        if self._refiner is None:
            self._refiner = make_refiner(self.settings())
        return self._refiner
