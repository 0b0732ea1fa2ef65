"""packshot insights: what the score tables say."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.options import DEFAULT_STORE, Json, StorePath, answer
from pipeline.errors import CatalogueError


def insights(store: StorePath = DEFAULT_STORE,
             since: Annotated[str | None, typer.Option("--since", help="Scores of this day and later, as 2026-11-01."
                                                       )] = None,
             as_json: Json = False) -> None:
    """What the score tables say: pass rates by category, check and refiner, top defects, worst images, drift."""
    from datetime import date

    from pipeline import insights as insights_room
    from pipeline.scores import read_current, read_history
    from pipeline.store import ArtifactStore

    try:
        day = None if since is None else date.fromisoformat(since)
    except ValueError as error:
        raise CatalogueError("date_invalid", f"{since!r} is no date.", "Give it as 2026-11-01.") from error
    opened = ArtifactStore(store)
    found = insights_room.insights(read_current(opened), read_history(opened), day)
    answer(insights_room.as_dict(found), as_json, lambda: insights_room.told(found))
