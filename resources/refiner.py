"""The refiner preset: its weights are loaded when the first image needs them, once per process."""

import json
import os
from dataclasses import asdict
from functools import lru_cache

from dagster import ConfigurableResource

from pipeline.refine import RefinerSettings, identity_of, make_refiner
from pipeline.refine.types import Refiner, RefinerIdentity


class RefinerResource(ConfigurableResource[Refiner]):
    """``embedded``, ``none``, a name of presets.yaml, or ``diffusers:<folder or hub id>``; the rest is environment."""

    preset: str = "embedded"

    def settings(self) -> RefinerSettings:
        return RefinerSettings.from_environment({**os.environ, "PACKSHOT_REFINER": self.preset})

    def identity(self) -> RefinerIdentity:
        """What images will depend on; known without loading any weights."""
        return identity_of(self.settings())

    def get(self) -> Refiner:
        """The process's refiner: Dagster makes a resource anew for every run, gigabytes of weights are not."""
        settings = self.settings()
        return _refiner(settings, json.dumps(asdict(identity_of(settings)), sort_keys=True))


@lru_cache(maxsize=1)
def _refiner(settings: RefinerSettings, identity: str) -> Refiner:
    """Another ``identity`` is another model behind the same settings, such as weights replaced on disk."""
    return make_refiner(settings)
