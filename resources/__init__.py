"""Configured things the assets are handed. Each is thin: the engine in ``pipeline`` does the work."""

from resources.catalogue import CatalogueResource
from resources.configured import Resources, configured
from resources.refiner import RefinerResource
from resources.renderer import RendererResource
from resources.sentinel import SentinelResource
from resources.store import StoreResource

__all__ = ["CatalogueResource", "RefinerResource", "RendererResource", "Resources", "SentinelResource", "StoreResource",
           "configured"]
