"""All resources as the environment configures them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from dagster_aws.s3 import S3Resource

from pipeline.place import S3Settings, refuse_credentials
from resources.catalogue import CatalogueResource
from resources.refiner import RefinerResource
from resources.renderer import RendererResource
from resources.sentinel import SentinelResource
from resources.store import StoreResource


@dataclass(frozen=True)
class Resources:
    """One of each."""

    catalogue: CatalogueResource
    store: StoreResource
    renderer: RendererResource
    refiner: RefinerResource
    sentinel: SentinelResource

    def by_key(self) -> dict[str, Any]:
        """As Dagster wants them: by the argument name that assets, jobs and sensors use."""
        return dict(vars(self))


def configured() -> Resources:
    """Read PACKSHOT_CATALOGUE, PACKSHOT_STORE, PACKSHOT_LIGHT, PACKSHOT_REFINER and the usual AWS variables."""
    refuse_credentials(os.environ.get("AWS_ENDPOINT_URL", ""))  # the UI shows a resource's configuration
    s3 = S3Resource(endpoint_url=os.environ.get("AWS_ENDPOINT_URL"), region_name=os.environ.get("AWS_REGION"),
                    max_attempts=S3Settings().attempts)
    return Resources(
        CatalogueResource(s3=s3, location=os.environ.get("PACKSHOT_CATALOGUE", "examples/catalogue")),
        StoreResource(s3=s3, location=os.environ.get("PACKSHOT_STORE", "store")),
        RendererResource(light=os.environ.get("PACKSHOT_LIGHT", "auto")),
        RefinerResource(preset=os.environ.get("PACKSHOT_REFINER", "embedded")),
        SentinelResource(),
    )
