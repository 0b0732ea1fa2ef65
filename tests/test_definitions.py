"""A snapshot of the code location: what Dagster shows before anything has run."""

from __future__ import annotations

import json
import subprocess
import sys

from dagster import AssetKey

from definitions import defs
from tests.conftest import ROOT

GRAPH = {
    "product_mesh": ("ingest", []),
    "product_regions": ("ingest", ["product_mesh"]),
    "reference_shots": ("reference", ["product_mesh"]),
    "control_passes": ("render", ["product_mesh", "product_regions", "reference_shots"]),
    "refined_images": ("refine", ["control_passes", "product_regions"]),
    "sentinel_scores": ("sentinel", ["product_regions", "refined_images"]),
    "delivered_images": ("delivery", ["sentinel_scores"]),
    "score_table": ("publish", ["sentinel_scores"]),
    "night_runs": ("publish", ["sentinel_scores"]),
    "catalogue_report": ("publish", ["delivered_images", "score_table"]),
}


def test_the_asset_graph() -> None:
    graph = defs.resolve_asset_graph()
    found = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        found[key.to_user_string()] = (node.group_name, sorted(parent.to_user_string() for parent in node.parent_keys))
    assert found == GRAPH


def test_every_asset_is_described_owned_and_of_a_kind() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(node.description or "") > 40, key
        assert node.owners == ["team:imaging"], key
        assert [tag for tag in node.tags if tag.startswith("dagster/kind/")], key


def test_sku_assets_are_partitioned_and_published_ones_are_not() -> None:
    graph = defs.resolve_asset_graph()
    for name, (group, _) in GRAPH.items():
        partitions = graph.get(AssetKey(name)).partitions_def
        assert (getattr(partitions, "name", None) == "sku") == (group != "publish"), name


def test_checks_are_partitioned_and_few_enough_for_the_ui() -> None:
    graph = defs.resolve_asset_graph()
    checks = [key.name for key in graph.asset_check_keys]
    assert {"silhouette", "colour_drift", "texture", "artefacts", "delivery"} <= set(checks)
    assert len(checks) < 50


def test_jobs_schedules_and_sensors() -> None:
    repository = defs.get_repository_def()
    assert {"refresh_batch", "publish"} <= set(repository.job_names)
    assert [schedule.name for schedule in repository.schedule_defs] == ["nightly_refresh"]
    assert sorted(sensor.name for sensor in repository.sensor_defs) == [
        "catalogue_changes", "publish_after_failure", "publish_after_success"]


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    code = ("import json, sys, definitions; "
            "print(json.dumps([m for m in ('torch', 'diffusers', 'transformers', 'open_clip') if m in sys.modules]))")
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(child.stdout.splitlines()[-1]) == []
