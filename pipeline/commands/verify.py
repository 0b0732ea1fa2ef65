"""packshot verify: a store against its own manifests."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import DEFAULT_STORE, Json, StorePath, answer


def verify(store: StorePath = DEFAULT_STORE,
           prune: Annotated[bool, typer.Option("--prune", help="Delete versions that nothing points to and that "
                                                               "nobody wrote to for an hour.")] = False,
           as_json: Json = False) -> None:
    """Check every stored file against its manifest. Exit status 1 where something is missing or damaged."""
    from pipeline.store import ArtifactStore
    from pipeline.verify import verify as verify_store

    result = verify_store(ArtifactStore(store), prune=prune)
    old = f"{len(result.old_versions)} old versions, {len(result.pruned)} deleted"
    answer(result.as_dict(), as_json, lambda: "\n".join(
        [f"{result.artifacts} artefacts, {result.files} files, {result.bytes / 1e6:.0f} MB; {old}",
         *(f"  {f.asset}/{f.sku}/{f.file}: {f.problem}" for f in result.findings)]))
    if result.findings:
        raise typer.Exit(1)
