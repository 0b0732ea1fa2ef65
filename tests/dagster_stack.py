"""Dagster's own processes for tests: started as people start them, asked over the webserver's GraphQL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.conftest import ROOT

Found = TypeVar("Found")

LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = """{ runsOrError { ... on Runs { results { runId jobName status startTime endTime tags { key value } } } } }"""
LOADED = """{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError {
  __typename ... on PythonError { message } } } } } }"""


def until(condition: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """Wait for a condition to give something; what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.25)


@dataclass
class Stack:
    """A webserver with its daemon and code server."""

    port: int
    logs: Path                                 # one file per process
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: Any) -> Any:
        """One GraphQL request's data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            reply = json.load(answer)
        assert "errors" not in reply, reply["errors"]
        return reply["data"]

    def launch(self, job: str, config: Mapping[str, object] | None = None, **tags: str) -> str:
        """Put a job's run into the queue; its id."""
        selector = {"repositoryLocationName": "packshot", "repositoryName": "__repository__", "jobName": job}
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "runConfigData": dict(config or {}), "mode": "default",
                  "executionMetadata": metadata}
        launched = self.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the latest first."""
        found: list[dict[str, Any]] = self.ask(RUNS)["runsOrError"]["results"]
        return found

    def run(self, run_id: str) -> dict[str, Any]:
        return next(run for run in self.runs() if run["runId"] == run_id)

    def tried_again(self, run_id: str) -> list[str]:
        """Runs made because this one failed."""
        return [run["runId"] for run in self.runs() if {"key": "dagster/root_run_id", "value": run_id} in run["tags"]]

    def wait(self, run_id: str, seconds: float = 240) -> dict[str, Any]:
        """A run that has come to its end, good or bad."""
        def ended() -> dict[str, Any] | None:
            run = self.run(run_id)
            return run if run["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

        return until(ended, seconds, f"run {run_id} to end")

    def log_text(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.logs.iterdir()))

    def _ready(self) -> bool:
        for process in self.processes:
            assert process.poll() is None, f"{process.args!r} ended:\n{self.log_text()[-3000:]}"
        try:
            entries = self.ask(LOADED)["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        errors = [entry["locationOrLoadError"]["message"] for entry in entries
                  if (entry["locationOrLoadError"] or {}).get("__typename") == "PythonError"]
        # Until its server is up, a location over gRPC cannot be reached; the webserver tries again.
        return bool(entries) and not errors and all(entry["loadStatus"] == "LOADED" for entry in entries)


@contextmanager
def running(commands: Sequence[Sequence[str]], environment: Mapping[str, str], port: int, logs: Path,
            seconds: float = 240) -> Iterator[Stack]:
    """Start the commands together, wait until the code location is loaded, and stop them with all their children."""
    logs.mkdir(parents=True, exist_ok=True)
    stack = Stack(port, logs)
    try:
        for command in commands:
            with (logs / f"{len(stack.processes)}-{Path(command[0]).name}.log").open("wb") as log:
                stack.processes.append(subprocess.Popen(
                    list(command), cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True))
        until(stack._ready, seconds, "the code location to be loaded")
        yield stack
    finally:
        for process in reversed(stack.processes):
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The process and every child of its session: `dagster dev` leaves runs alive when it is told to go."""
    for blow in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, blow)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=15)
