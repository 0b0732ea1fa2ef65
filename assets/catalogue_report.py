"""One page a merchandiser can open."""

from dagster import MaterializeResult, MetadataValue, asset

from assets import delivered_images
from assets.score_table import score_table
from assets.stage import OWNERS
from pipeline.report import build_report, collect
from resources import CatalogueResource, StoreResource


@asset(deps=[delivered_images.spec, score_table], group_name="publish", kinds={"html"}, owners=OWNERS, code_version="1",
       description="One self-contained page: contact sheet, before/after slider per shot, verdicts with crops. "
                   "Opens from disk with no server.")
def catalogue_report(catalogue: CatalogueResource, store: StoreResource) -> MaterializeResult[None]:
    opened = store.open()
    data = collect(opened, catalogue.open())
    page = build_report(data).encode()
    where = opened.write_bytes("report/index.html", page)
    return MaterializeResult(metadata={
        "report": MetadataValue.path(str(where)),
        "skus": MetadataValue.int(len(data.skus)),
        "megabytes": MetadataValue.float(round(len(page) / 1e6, 2)),
    })
