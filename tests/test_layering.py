"""Each floor of the house imports only floors below it, and rooms meet in their types."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FLOORS = ("pipeline", "resources", "assets", "sensors", "definitions")
ROOMS = ("mesh", "render", "refine", "finding", "sentinel", "report", "reference")
HEAVY = ("torch", "diffusers", "transformers", "open_clip", "matplotlib", "mitsuba")
# Modules of a process of their own: they may load what they like, and nobody else may load them.
CHILDREN = ("pathtrace_brdf", "pathtrace_child", "pathtrace_looks", "pathtrace_merged")
# Networks: written in torch from the first line on; who uses them imports them where they are used.
NETWORKS = "pipeline.refine.nets"


def modules() -> list[Path]:
    files = [path for floor in FLOORS[:-1] for path in sorted((ROOT / floor).rglob("*.py"))]
    return [*files, ROOT / "definitions.py"]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(path: Path) -> int:
    return FLOORS.index(path.relative_to(ROOT).parts[0].removesuffix(".py"))


def test_there_is_something_to_check() -> None:
    assert len(modules()) > 30


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    above = FLOORS[floor_of(path) + 1:]
    upward = [name for name in imports(path) if name.split(".")[0] in (*above, "training", "tests", "examples")]
    assert not upward


@pytest.mark.parametrize("path", [p for p in modules() if floor_of(p) == 0], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_engine_knows_no_dagster(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0].startswith("dagster")]


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_meet_in_their_types(room: str) -> None:
    others = [other for other in ROOMS if other != room]
    found = [f"{path.name}: {name}" for path in sorted((ROOT / "pipeline" / room).rglob("*.py"))
             for name in imports(path) for other in others
             if (name.startswith(f"pipeline.{other}.") and not name.startswith(f"pipeline.{other}.types"))
             or name == f"pipeline.{other}"]
    assert not found


def test_only_the_child_process_imports_what_is_the_child_s() -> None:
    found = [f"{path.name}: {name}" for path in modules() if path.stem not in CHILDREN
             for name in imports(path) if name.split(".")[-1] in CHILDREN]
    assert not found


@pytest.mark.parametrize("path", [p for p in modules() if p.stem not in CHILDREN and p.parent.name != "nets"],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [name for node in top for name in
             ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])]
    assert not [name for name in names if name.split(".")[0] in HEAVY or name.startswith(NETWORKS)]
