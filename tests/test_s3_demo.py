"""The whole demo on S3, catalogue and store, on a day when a tenth of all requests goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from upath import UPath

from pipeline.scores import read_current
from pipeline.store import ArtifactStore
from pipeline.verify import verify
from tests.conftest import ROOT
from tests.house import NAMES, QUIET, house_of
from tests.s3_faults import Proxy, Weather, faulty_s3

# Every product and shot of the demo, with its light and its refiner, only small: what is tested is where things lie.
SETTINGS = "scale: 0.15\n"
SECRET, KEY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "AKIAIOSFODNN7EXAMPLE"
# What an engineer's run and clock put into a score, not the image.
OF_THE_RUN = {"run_id", "scored_at"}


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty_s3("shop") as proxy:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        yield proxy


def test_the_demo_on_a_bad_day_ends_as_on_a_disk(tmp_path: Path, proxy: Proxy, caplog: pytest.LogCaptureFixture
                                                 ) -> None:
    catalogue = tmp_path / "catalogue"
    small_example(catalogue)
    skus = sorted(path.name for path in catalogue.iterdir() if path.is_dir())
    for file in catalogue.rglob("*"):
        if file.is_file():
            (UPath("s3://shop/catalogue") / file.relative_to(catalogue).as_posix()).write_bytes(file.read_bytes())

    with house_of(catalogue, tmp_path / "store") as disk:
        assert disk.batch(*skus).success
        assert disk.publish().success
        on_disk = disk.store

    proxy.weather = Weather(share=0.1, slow_s=0.2)
    with house_of("s3://shop/catalogue", "s3://shop/store") as bucket:
        bucket.instance.add_dynamic_partitions("sku", skus)
        assert bucket.definitions.resolve_job_def("refresh_batch").execute_in_process(
            run_config={"ops": {"work_through": {"config": {"skus": skus}}}, **QUIET}, instance=bucket.instance).success
        assert bucket.publish().success
        records = "".join(str(entry) for run in bucket.instance.get_runs()
                          for entry in bucket.instance.all_logs(run.run_id))
        on_s3 = bucket.store
    assert proxy.spoiled.total() > 50
    proxy.weather = Weather()

    for asset in NAMES:
        assert on_s3.skus(asset) == on_disk.skus(asset) == skus
        for sku in skus:
            here, there = on_disk.require(asset, sku), on_s3.require(asset, sku)
            assert (there.data_version, there.inputs) == (here.data_version, here.inputs)
            images = {name for name in here.files if name.endswith((".png", ".jpg", ".webp", ".exr", ".npz"))}
            assert there.files.keys() == here.files.keys()
            assert {name: there.files[name] for name in images} == {name: here.files[name] for name in images}
    made = [name for sku in skus for name in on_s3.require("refined_images", sku).files if name.endswith(".png")]
    assert len(made) > 4 * len(skus)
    assert any(name.startswith("photo-") for name in made)   # a reference photo came all the way too
    assert scores(on_s3) == scores(on_disk)
    assert on_s3.read_bytes("report/index.html") is not None
    assert verify(on_s3).findings == ()
    assert verify(on_s3).old_versions == ()
    texts = (path for path in on_s3.root.fs.find(on_s3.root.path) if path.endswith((".json", ".html", ".md")))
    for text in (records, caplog.text, *(on_s3.root.fs.cat_file(path).decode() for path in texts)):
        assert SECRET not in text
        assert KEY not in text


def small_example(catalogue: Path) -> None:
    """The example catalogue with small maps and images: text is looked for on every map."""
    shutil.copytree(ROOT / "examples" / "catalogue", catalogue)
    settings = catalogue / "catalogue.yaml"
    settings.write_text(SETTINGS + settings.read_text())
    for file in (*catalogue.glob("*/*.png"), *catalogue.glob("*/*.jpg")):
        with Image.open(file) as image:
            image.thumbnail((320, 320))
            image.save(file)


def scores(store: ArtifactStore) -> list[dict[str, object]]:
    """The score table without what tells one run from another, in a fixed order."""
    table: pa.Table = read_current(store)
    rows: list[dict[str, object]] = table.select([name for name in table.column_names if name not in OF_THE_RUN]
                                                 ).to_pylist()
    return sorted(rows, key=repr)
