"""One path type for folders and ``s3://`` prefixes, and the one way to S3 for the catalogue and the store.

>>> place("s3://bucket/prefix") / "current.json"     # the environment's endpoint, region and role

Whoever opens a place, an asset, a command or a notebook, gets the same time limits and retries, and errors that
say what to do (``pipeline/s3_files.py``). Credentials come from the environment or the machine's role only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from upath import UPath
from upath.implementations.cloud import S3Path
from upath.registry import register_implementation

from pipeline.errors import StoreError


@dataclass(frozen=True, slots=True)
class S3Settings:
    """How S3 is reached. None: as the environment, or the profile, says.

    No request is tried again ``patience_s`` after its first try, so an outage is told within twice that time.
    """

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    use_ssl: bool = True
    verify: bool | None = None
    attempts: int = 10                         # tries of one request; waits between them double from 0.1 s to 8 s
    patience_s: float = field(default_factory=lambda: float(os.environ.get("PACKSHOT_S3_PATIENCE_S") or 45.0))
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 20.0               # without a byte; a slow answer that goes on may take longer
    connections: int = 16

    def options(self) -> dict[str, Any]:
        """What the file system is made with. A listing cache would hide what another process wrote a moment ago."""
        client = {"region_name": self.region, "verify": self.verify}
        given = {"endpoint_url": self.endpoint, "profile": self.profile,
                 "client_kwargs": {name: value for name, value in client.items() if value is not None}}
        return {"use_listings_cache": False, "use_ssl": self.use_ssl, "attempts": self.attempts,
                "patience_s": self.patience_s,
                "config_kwargs": {"connect_timeout": self.connect_timeout_s, "read_timeout": self.read_timeout_s,
                                  "max_pool_connections": self.connections,
                                  "retries": {"mode": "standard", "total_max_attempts": 1}},
                **{name: value for name, value in given.items() if value}}


class S3Place(S3Path):
    """A place on S3. One request reads an object, one writes it; bytes are whole or an error is raised."""

    __slots__ = ()

    @classmethod
    def _fs_factory(cls, urlpath: str, protocol: str, storage_options: Mapping[str, Any]) -> Any:
        from pipeline.s3_files import S3Files

        for url in (urlpath, storage_options.get("endpoint_url"), *(os.environ.get(name) for name in _ENDPOINTS)):
            refuse_credentials(url or "")
        return S3Files(**{**S3Settings().options(), **storage_options})

    def read_bytes(self) -> bytes:
        data: bytes = self.fs.cat_file(self.path)
        return data

    def read_text(self, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: bytes) -> int:
        self.fs.pipe_file(self.path, bytes(data))
        return len(data)

    def unlink(self, missing_ok: bool = False) -> None:
        if not missing_ok:
            self.fs.info(self.path)
        self.fs.rm_file(self.path)             # S3 does not mind when there is nothing


# Whatever opens s3:// by a UPath gets a place: there is no second way with other time limits.
register_implementation("s3", S3Place, clobber=True)


def place(location: str | os.PathLike[str] | UPath, s3: S3Settings | None = None) -> UPath:
    """A folder or an ``s3://`` prefix; a path that is one already keeps its settings.

    Opening it raises StoreError ``credentials_in_url`` where an address holds a password.
    """
    if isinstance(location, UPath) or not str(location).startswith("s3://"):
        return UPath(location)
    path: UPath = UPath(location, **(s3 or S3Settings()).options())
    return path


_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


def refuse_credentials(url: str) -> None:
    """Raises StoreError ``credentials_in_url`` for an address with a user or password in it."""
    if "@" in urlsplit(url).netloc:
        raise StoreError("credentials_in_url", "An S3 address holds a user or password.",
                         "Give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by the machine's role.")


def size_and_time(path: UPath) -> tuple[int, float]:
    """Bytes of one object and when it was written, by one request. Raises FileNotFoundError."""
    if not isinstance(path, S3Place):
        status = path.stat()
        return int(status.st_size), float(status.st_mtime)
    bucket, _, key = path.path.partition("/")
    head = path.fs.call_s3("head_object", Bucket=bucket, Key=key)
    return int(head["ContentLength"]), head["LastModified"].timestamp()
