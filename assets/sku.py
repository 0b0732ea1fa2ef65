"""A SKU on its way through the graph, with the bench it is worked on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from pipeline.catalogue import Catalogue
from pipeline.errors import StoreError
from pipeline.refine.types import Refined
from pipeline.refining import Batch
from pipeline.sentinel import Judging
from pipeline.store import Artifact, ArtifactStore
from pipeline.workpiece import Workpiece
from resources import RefinerResource, RendererResource, SentinelResource


@dataclass(frozen=True)
class Bench:
    """What every SKU of a run is worked on with."""

    catalogue: Catalogue
    store: ArtifactStore
    renderer: RendererResource
    refiner: RefinerResource
    sentinel: SentinelResource
    run_id: str

    @cached_property
    def judging(self) -> Judging:
        """How the catalogue wants its images judged. Raises SentinelError where what it names cannot be used."""
        return self.sentinel.judging(self.catalogue)

    def sku(self, name: str) -> Sku:
        """Put one SKU on the bench. Raises CatalogueError where its folder cannot be used."""
        return Sku(self.catalogue.product(name), self.catalogue.settings, self.store, self.renderer.get, bench=self)


@dataclass(frozen=True)
class Ready:
    """A refined image that waits to be written."""

    image: Refined
    batch: Batch
    seconds: float                             # its share of the batch's time
    gpu_seconds: float | None = 0.0            # of them on a card; None where that was not measured


@dataclass
class Sku(Workpiece):
    """A workpiece that knows its bench."""

    bench: Bench = field(kw_only=True)
    ready: dict[str, Ready] = field(default_factory=dict, init=False)  # images made in batches shared with other SKUs

    @property
    def light(self) -> str:
        """Of the control passes: ``traced`` or ``raster``."""
        return str(self.artifact("control_passes").metadata["light"])

    def check_current(self, artifact: Artifact) -> None:
        """Passes rendered again must be those the artefact names, not those of a folder that has changed since."""
        from assets import control_passes

        stage = control_passes.stage
        if stage.version_of(stage.inputs(self)) != artifact.data_version:
            raise StoreError("upstream_stale", f"{self.name}: its control passes were not kept and their inputs have "
                             "changed since.", f"Materialize control_passes for {self.name} first.")
