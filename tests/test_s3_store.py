"""The store on an S3 with bad days: what is read is whole, an outage is told in time, no secret gets out."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from dagster_aws.s3 import S3Resource
from upath import UPath

from pipeline.catalogue import Catalogue
from pipeline.errors import StoreError
from pipeline.place import S3Place, S3Settings, place
from pipeline.s3_files import plainly
from pipeline.store import ArtifactStore
from pipeline.verify import verify
from resources.location import path_at
from tests.s3_faults import KINDS, Proxy, Weather, faulty_s3

FAIR = Weather()


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with faulty_s3("stores") as proxy:
        yield proxy


@pytest.fixture
def prefix(proxy: Proxy) -> str:
    proxy.weather = FAIR
    return f"s3://stores/{uuid4().hex}"


def impatient(location: str, patience_s: float = 1.5) -> UPath:
    return place(location, S3Settings(patience_s=patience_s, connect_timeout_s=1.0, read_timeout_s=1.0))


def write(store: ArtifactStore, sku: str, text: str, version: str = "v1") -> None:
    with store.writing("product_mesh", sku, version, {}) as pending:
        for number in range(4):
            pending.writer.path(f"part/{number}.txt").write_text(f"{text}{number}" * 5000)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_torn_or_lost_whatever_goes_wrong_on_the_way(proxy: Proxy, prefix: str, kind: str) -> None:
    """Every kind by itself, on a quarter of all requests."""
    store = ArtifactStore(prefix)
    before = proxy.spoiled[kind]
    proxy.weather = Weather(0.25, (kind,), slow_s=0.05)
    write(store, "a", kind)
    assert ArtifactStore(prefix).require("product_mesh", "a").path("part/3.txt").read_text() == f"{kind}3" * 5000
    assert verify(store).findings == ()
    assert store.skus("product_mesh") == ["a"]
    store.put_texture(kind.encode())
    store.record_error("a", "product_mesh", StoreError("x", "y"))
    assert list(store.errors()) == ["a"]
    store.clear_error("a")
    assert store.errors() == {}
    assert proxy.spoiled[kind] > before + 3


def test_an_outage_is_told_in_time_with_what_to_do(proxy: Proxy, prefix: str) -> None:
    store = ArtifactStore(impatient(prefix))
    write(store, "a", "old")
    proxy.weather = Weather(down=True)
    for work in (lambda: store.current("product_mesh", "a"), lambda: write(store, "a", "new", "v2"),
                 lambda: store.errors(), lambda: store.skus("product_mesh"), lambda: verify(store),
                 lambda: Catalogue.at(impatient(prefix)), lambda: (store.root / "x").exists()):
        started = time.monotonic()
        with pytest.raises(StoreError) as caught:
            work()
        assert caught.value.code == "storage_unreachable"
        assert "AWS_ENDPOINT_URL" in caught.value.hint
        assert time.monotonic() - started < 5
    proxy.weather = FAIR
    assert store.require("product_mesh", "a").data_version == "v1"


def test_an_endpoint_that_is_not_there_or_does_not_answer(proxy: Proxy, prefix: str) -> None:
    nowhere = ArtifactStore(place(prefix, S3Settings("http://127.0.0.1:9", patience_s=1.0)))
    with pytest.raises(StoreError, match="storage_unreachable"):
        nowhere.current("product_mesh", "a")
    proxy.weather = Weather(1.0, ("slow",), slow_s=3.0)
    started = time.monotonic()
    with pytest.raises(StoreError, match="storage_unreachable"):
        ArtifactStore(impatient(prefix)).current("product_mesh", "a")
    assert time.monotonic() - started < 8


def test_what_is_patient_by_default_ends_within_two_minutes() -> None:
    settings = S3Settings()
    longest = settings.connect_timeout_s + settings.read_timeout_s
    assert settings.patience_s + longest <= 120
    assert settings.options()["config_kwargs"]["retries"] == {"mode": "standard", "total_max_attempts": 1}


def test_an_outage_while_a_version_is_written_leaves_the_old_one(proxy: Proxy, prefix: str) -> None:
    store = ArtifactStore(impatient(prefix))
    write(store, "a", "old")

    def interrupted() -> None:
        with store.writing("product_mesh", "a", "v2", {}) as pending:
            pending.writer.path("part/0.txt").write_text("new")
            proxy.weather = Weather(down=True)

    with pytest.raises(StoreError, match="storage_unreachable"):
        interrupted()
    proxy.weather = FAIR
    artifact = store.require("product_mesh", "a")
    assert (artifact.data_version, artifact.path("part/1.txt").read_text()) == ("v1", "old1" * 5000)
    assert verify(store).findings == ()


def test_wrong_or_missing_credentials_are_an_error_of_their_own(proxy: Proxy, prefix: str,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError) as caught:
        ArtifactStore(place(prefix, S3Settings(patience_s=1.1))).current("product_mesh", "a")
    assert caught.value.code == "storage_denied"
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_every_way_to_a_place_is_the_same(proxy: Proxy, prefix: str) -> None:
    """Asset, command and notebook: one path type with the same patience."""
    resource = path_at(prefix, S3Resource(endpoint_url=proxy.endpoint, region_name="us-east-1",
                                          max_attempts=S3Settings().attempts))
    (UPath(prefix) / "a" / "box.obj").write_bytes(b"v 0 0 0")
    for root in (resource, ArtifactStore(prefix).root, Catalogue.at(prefix).root, UPath(prefix)):
        assert isinstance(root, S3Place)
        assert (root.fs.attempts, root.fs.patience_s) == (S3Settings().attempts, S3Settings().patience_s)
        assert isinstance(root / "a", S3Place)
        assert (root / "a" / "box.obj").read_bytes() == b"v 0 0 0"


def test_requests_are_not_wasted(proxy: Proxy, prefix: str) -> None:
    """One to read an object, one to write one; nothing is fetched that was just written here."""
    store = ArtifactStore(prefix)
    store.root.fs.call_s3("head_bucket", Bucket="stores")
    proxy.requests.clear()
    write(store, "a", "x")
    assert proxy.requests == {"PUT": 5}
    proxy.requests.clear()
    artifact = store.require("product_mesh", "a")
    assert artifact.path("part/0.txt").read_text() == "x0" * 5000
    assert store.intact(artifact)
    assert proxy.requests == {"GET": 1, "LIST": 1}
    proxy.requests.clear()
    assert store.read_bytes("errors/none.json") is None
    assert not store.has_texture("0" * 64)
    store.put_texture(b"pixels")
    store.clear_error("a")
    assert proxy.requests == {"GET": 1, "HEAD": 2, "PUT": 1, "DELETE": 1}


def test_prune_and_repair_work_on_s3(prefix: str) -> None:
    store = ArtifactStore(prefix)
    write(store, "a", "old")
    write(store, "a", "new", "v2")
    write(store, "b", "other")
    (store.require("product_mesh", "b").folder / "part/1.txt").unlink()
    found = verify(store, prune=True, repair=True, youngest_hours=0.0)
    assert [finding.problem for finding in found.findings] == ["missing"]
    assert len(found.pruned) == 1
    assert store.current("product_mesh", "b") is None
    assert store.errors()["b"]["code"] == "file_damaged"
    assert verify(store).findings == ()
    assert store.require("product_mesh", "a").path("part/1.txt").read_text() == "new1" * 5000


def test_secrets_are_in_no_error_and_no_log(proxy: Proxy, prefix: str, monkeypatch: pytest.MonkeyPatch,
                                            caplog: pytest.LogCaptureFixture) -> None:
    secret, key = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "AKIAIOSFODNN7EXAMPLE"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    caplog.set_level(logging.INFO)
    store = ArtifactStore(impatient(prefix, 0.9))
    write(store, "a", "x")
    proxy.weather = Weather(down=True)
    with pytest.raises(StoreError) as caught:
        store.current("product_mesh", "a")
    proxy.weather = FAIR
    store.record_error("a", "product_mesh", caught.value)
    objects = "".join(path + store.root.fs.cat_file(path).decode() for path in store.root.fs.find(store.root.path))
    shown = [str(caught.value), repr(caught.value), caplog.text, objects, repr(store.root), str(store.root),
             repr(caught.value.__cause__), str(store.root.storage_options)]
    for text in shown:
        assert secret not in text
        assert key not in text


@pytest.mark.parametrize(("text", "gone"), [
    ('Could not connect to "http://user:hunter2222@minio:9000/b/k"', "hunter2222"),
    ("GET /b/k?X-Amz-Credential=AKIA0000/2026&X-Amz-Signature=abcdef failed", "abcdef"),
    ("GET /b/k?X-Amz-Credential=AKIA0000/2026&X-Amz-Signature=abcdef failed", "AKIA0000"),
])
def test_an_error_is_told_without_what_opens_doors(text: str, gone: str) -> None:
    assert gone not in plainly(OSError(text))
    assert "/b/k" in plainly(OSError(text))


def test_an_address_with_a_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError) as caught:
        ArtifactStore("s3://key:hunter2222@stores/x").current("product_mesh", "a")
    assert caught.value.code == "credentials_in_url"
    assert "hunter2222" not in str(caught.value)
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL", "http://user:hunter2222@127.0.0.1:9")
    with pytest.raises(StoreError, match="credentials_in_url"):
        ArtifactStore("s3://stores/elsewhere").current("product_mesh", "a")
    with pytest.raises(StoreError, match="credentials_in_settings"):
        path_at("s3://stores/x", S3Resource(aws_secret_access_key="hunter2222"))
