"""A small hub of models for tests: what huggingface_hub asks of one, answered from folders, over real HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Where it is, and every path it was asked for."""

    endpoint: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def hub_server(models: Mapping[str, Path], licence: str = "apache-2.0") -> Iterator[Hub]:
    """Serve folders as models of one commit."""
    hub = Hub("")

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self) -> None:
            path = self.path.split("?")[0]
            hub.asked.append(path)
            for model, folder in models.items():
                if path.startswith(f"/api/models/{model}"):
                    return self._send(json.dumps(_about(model, folder, path, licence)).encode(), "application/json")
                if path.startswith(f"/{model}/resolve/"):
                    file = folder / path.removeprefix(f"/{model}/resolve/").split("/", 1)[1]
                    if file.is_file():
                        return self._send(file.read_bytes(), "application/octet-stream")
            return self._send(b"", "text/plain", status=404 if path != "/" else 200)

        def _send(self, body: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if status == 404:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def point_at(endpoint: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process take ``endpoint`` for the hub, with an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
                        endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)


def _about(model: str, folder: Path, path: str, licence: str) -> Any:
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    if "/tree/" in path:
        return [{"type": "file", "path": name, "size": (folder / name).stat().st_size,
                 "oid": hashlib.sha1((folder / name).read_bytes()).hexdigest()} for name in files]
    return {"id": model, "modelId": model, "sha": COMMIT, "tags": [f"license:{licence}"], "private": False,
            "cardData": {"license": licence}, "siblings": [{"rfilename": name} for name in files]}
