"""Where artefacts live."""

from dagster import ConfigurableResource, ResourceDependency
from dagster_aws.s3 import S3Resource

from pipeline.store import ArtifactStore
from resources.location import path_at


class StoreResource(ConfigurableResource[ArtifactStore]):
    """A local folder or ``s3://bucket/prefix``."""

    s3: ResourceDependency[S3Resource]
    location: str

    def open(self) -> ArtifactStore:
        return ArtifactStore(path_at(self.location, self.s3))
