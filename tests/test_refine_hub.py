"""Weights from elsewhere: the hub over HTTP, reached, silent or refused, and S3 folders copied once."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from upath import UPath

from pipeline import cli
from pipeline.errors import RefineError
from pipeline.refine import RefineRequest, RefinerSettings, hub, identity_of, make_refiner, weights, weights_s3
from pipeline.refine.pinning import models_to_pin, pin_models
from pipeline.refine.pins import Pin, location, read, write
from pipeline.refine.presets import all_presets
from tests.hub_server import COMMIT, hub_server, point_at
from tests.passes_factory import sphere_passes
from tests.s3 import s3_server

PASSES = sphere_passes(64)
QUICK = {"steps": 4, "strength": 0.5, "threads": 1, "device": "cpu", "controlnets": [{"drive": "depth"}]}


def settings_for(model: str, **changes: Any) -> RefinerSettings:
    return RefinerSettings.parse({"preset": "diffusers", "model": model, **QUICK, **changes})


def refused(settings: RefinerSettings) -> RefineError:
    with pytest.raises(RefineError) as caught:
        make_refiner(settings).refine([RefineRequest(PASSES, "a shoe", 1)])
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


@pytest.fixture
def folder(tiny_sd15: Path, tmp_path: Path) -> Path:
    """As the hub holds models: with files that nobody here needs."""
    copy = Path(shutil.copytree(tiny_sd15, tmp_path / "published"))
    (copy / "README.md").write_text("a card")
    (copy / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"half")
    (copy / "big.ckpt").write_bytes(b"pickle")
    return copy


def test_a_hub_model_is_fetched_once_without_what_is_not_used(folder: Path, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server({"owner/name": folder}) as published:
        point_at(published.endpoint, tmp_path / "cache", monkeypatch)
        refiner = make_refiner(settings_for("owner/name", revision=COMMIT))
        [image] = refiner.refine([RefineRequest(PASSES, "a shoe", 1)])
        assert image.provenance["revision"] == COMMIT
        asked = " ".join(published.asked)
        assert "unet/diffusion_pytorch_model.safetensors" in asked
        assert not any(unused in asked for unused in ("fp16", "big.ckpt", "README"))
        published.asked.clear()
        weights.fetched_folder("owner/name", COMMIT, weights.PIPELINE_FILES, False)
        assert not any("safetensors" in path for path in published.asked)
    hub._silent_until.clear()
    found = weights.fetched_folder("owner/name", COMMIT, weights.PIPELINE_FILES, False)
    assert found.name == COMMIT, "the hub is gone; the cache is not"


def test_a_model_the_hub_does_not_know_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server({}) as published:
        point_at(published.endpoint, tmp_path / "cache", monkeypatch)
        error = refused(settings_for("owner/none"))
        assert error.code == "weights_unavailable"
        assert "owner/none" in error.message
        with pytest.raises(RefineError, match="owner/none") as caught:
            hub.resolve("owner/none")
        assert caught.value.code == "model_missing"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where somebody listens and never says a word, as behind a firewall that drops packets."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_hub_that_refuses_or_keeps_silent_is_said_at_once(silent: str, tmp_path: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.refine.hub.TIMEOUT_S", 0.3)
    for endpoint in ("http://127.0.0.1:9", silent, "http://no-such-host.invalid"):
        point_at(endpoint, tmp_path / "cache", monkeypatch)
        began = time.monotonic()
        error = refused(settings_for("owner/name"))
        assert time.monotonic() - began < 3.0
        assert error.code == "hub_unreachable"
        assert "HF_HUB_OFFLINE=1" in error.hint
        assert "local folder" in error.hint


def test_a_name_server_that_hangs_does_not_hang_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://hanging.invalid", tmp_path / "cache", monkeypatch)
    monkeypatch.setattr("pipeline.refine.hub.PATIENCE_S", 0.2)

    def hangs(*_: Any, **__: Any) -> None:
        time.sleep(1.0)
        raise OSError("no name server")

    monkeypatch.setattr("socket.getaddrinfo", hangs)
    began = time.monotonic()
    assert hub.why_unreachable() == "no answer in 0.2 s"
    assert time.monotonic() - began < 0.9
    assert hub.why_unreachable() == "no answer a moment ago", "nor does every further model wait"


def test_offline_never_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server({}) as published:
        point_at(published.endpoint, tmp_path / "cache", monkeypatch)
        assert refused(settings_for("owner/name", local_files_only=True)).code == "weights_unavailable"
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        error = refused(settings_for("owner/name"))
        assert error.code == "weights_unavailable"
        assert "HF_HUB_OFFLINE" in error.hint
        assert published.asked == []


def test_every_preset_s_models_are_pinned_and_what_was_there_is_kept(folder: Path, tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    models = models_to_pin(settings_for("owner/name"))
    assert set(models) == {"owner/name"} | {each.id for data in all_presets().values() for each in data.models}
    pins = UPath(tmp_path / "refiner-pins.yaml")
    write(pins, {"/models/mine": Pin(sha256="4" * 64), "owner/name": Pin(revision="5" * 40)})
    with hub_server(dict.fromkeys(models, folder), licence="cc-by-nc-4.0") as published:
        point_at(published.endpoint, tmp_path / "cache", monkeypatch)
        found = pin_models(models, pins)
    assert [(each.model, each.now) for each in found] == [(model, COMMIT) for model in models]
    assert found[-1].before == "5" * 40
    written = read(pins)
    assert written["/models/mine"] == Pin(sha256="4" * 64)
    assert written["owner/name"] == Pin(revision=COMMIT, licence="cc-by-nc-4.0", commercial_use=False)


def test_where_one_model_cannot_be_pinned_the_file_stays(folder: Path, tmp_path: Path,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    pins = UPath(tmp_path / "refiner-pins.yaml")
    write(pins, {"owner/name": Pin(revision="5" * 40)})
    before = pins.read_bytes()
    with hub_server({"owner/name": folder}) as published:
        point_at(published.endpoint, tmp_path / "cache", monkeypatch)
        with pytest.raises(RefineError, match="owner/none"):
            pin_models(("owner/name", "owner/none"), pins)
    assert pins.read_bytes() == before
    point_at("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    hub._silent_until.clear()
    with pytest.raises(RefineError) as caught:
        pin_models(("owner/name",), pins)
    assert caught.value.code == "hub_unreachable"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    with s3_server("models"):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        yield boto3.client("s3")


def upload(client: Any, folder: Path, prefix: str) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            client.upload_file(str(file), "models", f"{prefix}/{file.relative_to(folder).as_posix()}")


def test_a_model_on_s3_is_copied_once_and_known_by_its_listing(folder: Path, tmp_path: Path, bucket: Any) -> None:
    upload(bucket, folder, "sd15")
    settings = settings_for("s3://models/sd15", production=True)
    identity = identity_of(settings)
    cache = tmp_path / "home" / ".cache" / "packshot" / "models"
    assert not cache.exists(), "an identity downloads nothing"
    refiner = make_refiner(settings)
    [image] = refiner.refine([RefineRequest(PASSES, "a shoe", 1)])
    assert (image.provenance["model"], image.provenance["revision"]) == ("sd15", identity.revision)
    [copy] = cache.iterdir()
    names = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert "unet/diffusion_pytorch_model.safetensors" in names
    assert not any("fp16" in name or "ckpt" in name or "README" in name for name in names)
    local = make_refiner(settings_for(str(copy))).refine([RefineRequest(PASSES, "a shoe", 1)])[0]
    assert (local.pixels == image.pixels).all()
    marked = copy / "model_index.json"
    before = marked.stat().st_mtime_ns
    weights.fetched_folder("s3://models/sd15", identity.revision, weights.PIPELINE_FILES, False)
    assert marked.stat().st_mtime_ns == before

    config = folder / "unet" / "config.json"
    config.write_text(config.read_text() + "\n")
    upload(bucket, folder, "sd15")
    assert identity_of(settings).revision != identity.revision
    with pytest.raises(RefineError) as caught:
        weights.fetched_folder("s3://models/sd15", identity.revision, weights.PIPELINE_FILES, False)
    assert caught.value.code == "weights_changed"


def test_what_s3_does_not_hold_or_loses_meanwhile_leaves_nothing(folder: Path, tmp_path: Path, bucket: Any) -> None:
    for nowhere in ("s3://models/none", "s3://no-bucket/sd15"):
        with pytest.raises(RefineError, match="s3://") as caught:
            identity_of(settings_for(nowhere))
        assert caught.value.code == "model_missing"
    upload(bucket, folder, "sd15")
    found = weights_s3.listed("s3://models/sd15", weights.PIPELINE_FILES, weights.UNUSED)
    bucket.delete_object(Bucket="models", Key="sd15/vae/config.json")
    with pytest.raises(RefineError, match="s3://models/sd15") as caught:
        weights_s3.fetched(found)
    assert caught.value.code == "weights_unavailable"
    assert list((tmp_path / "home" / ".cache" / "packshot" / "models").iterdir()) == []


def test_the_command_pins_beside_the_catalogue_or_says_why_not(folder: Path, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    def packshot(*arguments: str) -> tuple[int, Any]:
        monkeypatch.setattr("sys.argv", ["packshot", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), json.loads(capsys.readouterr().out)

    shop = tmp_path / "shop"
    models = models_to_pin(RefinerSettings())
    with hub_server(dict.fromkeys(models, folder)) as published:
        point_at(published.endpoint, tmp_path / "cache", monkeypatch)
        status, answer = packshot("refine", "--pin", "--catalogue", str(shop), "--json")
    assert status == 0
    assert answer["file"] == str(shop / "refiner-pins.yaml")
    assert {entry["model"]: entry["now"] for entry in answer["pins"]} == dict.fromkeys(models, COMMIT)
    variables = {"PACKSHOT_REFINER": "sdxl-union", "PACKSHOT_CATALOGUE": str(shop), "PACKSHOT_PRODUCTION": "1"}
    assert identity_of(RefinerSettings.from_environment(variables)).revision == COMMIT

    point_at("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    status, answer = packshot("refine", "--pin", "--catalogue", str(tmp_path / "other"), "--json")
    assert (status, answer["error"]["code"]) == (2, "hub_unreachable")
    assert not (tmp_path / "other").exists()
    assert packshot("refine", "--json")[1]["error"]["code"] == "usage"


def test_pins_live_beside_a_catalogue_on_s3_too(bucket: Any) -> None:
    variables = {"PACKSHOT_REFINER": "diffusers:owner/name", "PACKSHOT_CATALOGUE": "s3://models/shop"}
    assert RefinerSettings.from_environment(variables).revision == ""
    write(location(variables), {"owner/name": Pin(revision=COMMIT)})
    assert RefinerSettings.from_environment(variables).revision == COMMIT
