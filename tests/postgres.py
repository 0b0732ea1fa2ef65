"""A PostgreSQL server for tests and benchmarks: Debian's, with records of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "not-in-any-log-7d1f"
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))


@dataclass(frozen=True)
class Postgres:
    """How to reach the server: over TCP, with a password."""

    port: int
    host: str = "127.0.0.1"
    database: str = "postgres"
    user: str = "packshot"

    def environment(self) -> dict[str, str]:
        """The variables that deploy/production/dagster.yaml reads."""
        return {"PACKSHOT_PG_HOST": self.host, "PACKSHOT_PG_PORT": str(self.port), "PACKSHOT_PG_USER": self.user,
                "PACKSHOT_PG_DATABASE": self.database, "PACKSHOT_PG_PASSWORD": PASSWORD}

    def dump(self) -> str:
        """Every table, as text."""
        return subprocess.run([PROGRAMS[-1] / "pg_dump", "-h", self.host, "-p", str(self.port), "-U", self.user,
                               self.database], env={**os.environ, "PGPASSWORD": PASSWORD}, check=True,
                              capture_output=True, text=True).stdout


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run a server on a free port. It refuses root, so that root becomes Debian's ``postgres`` for it."""
    folder = Path(tempfile.mkdtemp(prefix="packshot-postgres-"))
    server = Postgres(free_port())
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres")
    try:
        _control(["initdb", "-D", folder / "data", "-U", server.user, "-A", "scram-sha-256",
                  f"--pwfile={folder / 'password'}", "--no-sync"])
        # A lost machine loses these records, and they are nobody's.
        options = f"-p {server.port} -h {server.host} -k {folder} -c fsync=off"
        _control(["pg_ctl", "-D", folder / "data", "-l", folder / "log", "-o", options, "-w", "start"])
        try:
            yield server
        finally:
            _control(["pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _control(command: Sequence[str | Path]) -> None:
    change = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # Not captured: a started server would hold the pipe open.
    done = subprocess.run([*change, PROGRAMS[-1] / command[0], *command[1:]], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, cwd="/", check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed with status {done.returncode}")
