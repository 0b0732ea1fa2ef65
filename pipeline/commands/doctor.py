"""packshot doctor: is this machine ready?"""

from __future__ import annotations

import typer

from pipeline.commands.options import DEFAULT_CATALOGUE, DEFAULT_STORE, CataloguePath, Json, StorePath, answer


def doctor(catalogue: CataloguePath = DEFAULT_CATALOGUE, store: StorePath = DEFAULT_STORE,
           as_json: Json = False) -> None:
    """Is this machine ready? Python, OpenGL, torch, store, refiner; exit status 1 where something is missing."""
    from pipeline import doctor as doctor_room

    examined = doctor_room.examine(store, catalogue)
    signs = {"ok": "ok     ", "missing": "MISSING", "optional": "-      "}
    answer(doctor_room.as_dict(examined), as_json, lambda: "\n".join(
        f"{signs[item.status]}  {item.name:<11} {item.found}" + (f"\n{'':22}{item.hint}" if item.hint else "")
        for item in examined))
    if not doctor_room.ready(examined):
        raise typer.Exit(1)
