"""What a run tells of its SKUs, on disk and on S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from upath import UPath

from pipeline.outcomes import SKUS_PER_PART, Outcome, OutcomeLog, forget, read_outcomes
from pipeline.store import ArtifactStore
from tests.s3 import s3_server

KEY = "a+2:0123456789abcdef"


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "disk":
        yield ArtifactStore(tmp_path / "store")
        return
    with s3_server("outcomes") as endpoint:
        yield ArtifactStore(UPath("s3://outcomes/store", use_listings_cache=False,
                                  client_kwargs={"endpoint_url": endpoint}))


def test_what_was_told_is_read_back(store: ArtifactStore) -> None:
    log = OutcomeLog(store, KEY, "run-1")
    log.begin(["a", "b"])
    made = Outcome("made", 10.0, 1.5, "run-1", ("control_passes", "refined_images"))
    log.end("a", made)
    told = read_outcomes(store, KEY)
    assert told.ended == {"a": made}
    assert told.unfinished == {"b"}


def test_a_run_nobody_has_heard_of_has_told_nothing(store: ArtifactStore) -> None:
    assert read_outcomes(store, "never").ended == {}
    forget(store, "never")


def test_parts_are_one_story(store: ArtifactStore) -> None:
    log = OutcomeLog(store, KEY, "run-1")
    names = [f"sku-{number}" for number in range(SKUS_PER_PART + 5)]
    log.begin(["late"])  # begun in the first part, ended in the second
    for name in names:
        log.begin([name])
        log.end(name, Outcome("kept", 1.0))
    log.end("late", Outcome("failed", 2.0, code="sku_empty"))
    log.begin(["last"])
    told = read_outcomes(store, KEY)
    assert set(told.ended) == {*names, "late"}
    assert told.unfinished == {"last"}


def test_the_latest_word_counts(store: ArtifactStore) -> None:
    second, first = OutcomeLog(store, KEY, "a-second"), OutcomeLog(store, KEY, "b-first")
    first.end("a", Outcome("failed", 1.0, run_id="b-first"))
    second.end("a", Outcome("made", 2.0, run_id="a-second"))
    assert read_outcomes(store, KEY).ended["a"].result == "made"


def test_forgotten_is_forgotten(store: ArtifactStore) -> None:
    OutcomeLog(store, KEY, "run-1").end("a", Outcome("made", 1.0))
    OutcomeLog(store, "other", "run-1").end("a", Outcome("made", 1.0))
    forget(store, KEY)
    assert read_outcomes(store, KEY).ended == {}
    assert read_outcomes(store, "other").ended != {}
