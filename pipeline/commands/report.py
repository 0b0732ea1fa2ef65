"""packshot report: the report page, written now."""

from __future__ import annotations

from pipeline.commands.opening import open_catalogue
from pipeline.commands.options import DEFAULT_CATALOGUE, DEFAULT_STORE, CataloguePath, Json, StorePath, answer


def report(catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
           as_json: Json = False) -> None:
    """Write the report page from whatever the store holds now."""
    from pipeline.report import build_report, collect
    from pipeline.store import ArtifactStore

    opened = ArtifactStore(store)
    where = opened.write_bytes("report/index.html", build_report(collect(opened, open_catalogue(catalogue))).encode())
    answer({"report": str(where)}, as_json, lambda: str(where))
