"""packshot verify: a store against its own manifests."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pipeline.commands.options import DEFAULT_STORE, Json, StorePath, answer

SAID_EVERY_S = 2.0


def verify(store: StorePath = DEFAULT_STORE,
           prune: Annotated[bool, typer.Option("--prune", help="Delete old versions, unfinished files and textures "
                                                               "that nothing points to.")] = False,
           repair: Annotated[bool, typer.Option("--repair", help="Take damaged artefacts out, so that the next run "
                                                                 "makes them anew.")] = False,
           migrate: Annotated[bool, typer.Option("--migrate", help="Write manifests of an older schema anew.")] = False,
           quick: Annotated[bool, typer.Option("--quick", help="Compare sizes only, read no contents.")] = False,
           hours: Annotated[float, typer.Option("--youngest-hours", min=0.0, help="What was in use since then is not "
                                                                                  "pruned.")] = 1.0,
           as_json: Json = False) -> None:
    """Check every stored file against its manifest. Exit status 1 where something is missing or damaged."""
    from pipeline.store import ArtifactStore
    from pipeline.verify import verify as verify_store

    opened = ArtifactStore(store)
    result = verify_store(opened, prune=prune, repair=repair, migrate=migrate, quick=quick, youngest_hours=hours,
                          said=None if as_json else _progress())
    answer(result.as_dict(), as_json, lambda: "\n".join(_lines(result)))
    if result.findings:
        raise typer.Exit(1)


def _lines(result: Any) -> list[str]:
    lines = [f"{result.artifacts} artefacts, {result.files} files, {result.bytes / 1e6:.0f} MB",
             f"{len(result.old_versions)} old versions, {len(result.litter)} unfinished files, "
             f"{len(result.unused_textures)} unused textures; {len(result.pruned)} deleted"]
    if result.older_schema:
        lines.append(f"{len(result.older_schema)} manifests of an older schema, {len(result.migrated)} written anew"
                     + ("" if result.migrated else " (--migrate does it)"))
    by_sku: dict[str, list[Any]] = {}
    for finding in result.findings:
        by_sku.setdefault(finding.sku or "the store as a whole", []).append(finding)
    for sku, findings in sorted(by_sku.items()):
        lines.append(f"{sku}:")
        lines += [f"  {f.asset}/{f.file}: {f.problem}" for f in findings]
        lines += [f"  → {hint}" for hint in dict.fromkeys(f.hint for f in findings)]
    if result.repaired:
        lines.append(f"{len(result.repaired)} taken out; run again to make them anew.")
    return lines


def _progress() -> Callable[[str, int, int], None]:
    """A line on stderr now and then; none for what is done at once."""
    last = time.monotonic()

    def said(what: str, number: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SAID_EVERY_S:
            last = time.monotonic()
            print(f"{what}: {number} of {total}", file=sys.stderr)

    return said
