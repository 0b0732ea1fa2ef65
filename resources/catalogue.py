"""The catalogue of products."""

from dagster import ConfigurableResource, ResourceDependency
from dagster_aws.s3 import S3Resource

from pipeline.catalogue import Catalogue
from resources.location import path_at


class CatalogueResource(ConfigurableResource[Catalogue]):
    """A folder or ``s3://bucket/prefix`` with one folder per SKU."""

    s3: ResourceDependency[S3Resource]
    location: str

    def open(self) -> Catalogue:
        return Catalogue.at(path_at(self.location, self.s3))
