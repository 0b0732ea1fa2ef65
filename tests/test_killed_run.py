"""`make run` whose process is killed: nothing is lost, nothing is waited for, nothing is said to be done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.store import ArtifactStore
from pipeline.verify import verify
from tests.conftest import ROOT
from tests.small_catalogue import small_catalogue

SKUS = ("a", "b", "c")


def start(catalogue: Path, store: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sensors.refresh", "--catalogue", str(catalogue), "--store", str(store), "--json"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_is_taken_up_by_the_next(tmp_path: Path, blow: signal.Signals) -> None:
    catalogue, store = small_catalogue(tmp_path / "catalogue", *SKUS), tmp_path / "store"
    run = start(catalogue, store)
    first = store / "delivered_images" / "a" / "current.json"
    deadline = time.monotonic() + 120
    while not first.exists():
        assert run.poll() is None, "it ended before its first SKU was done"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(20):  # Python loses an interrupt that lands in a destructor or callback; people press again
        os.kill(run.pid, blow)
        try:
            run.communicate(timeout=3)
            break
        except subprocess.TimeoutExpired:
            continue
    assert run.returncode != 0
    assert verify(ArtifactStore(store)).findings == ()
    left = set(SKUS) - set(ArtifactStore(store).skus("delivered_images"))  # an interrupted run finishes what it is at
    assert "c" in left
    again = start(catalogue, store)
    outcome = json.loads(again.communicate(timeout=120)[0])
    assert again.returncode == 0
    assert set(outcome["run"]) >= left
    assert outcome["published"] is True
    assert ArtifactStore(store).skus("delivered_images") == list(SKUS)
    assert verify(ArtifactStore(store)).findings == ()
