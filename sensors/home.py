"""Where Dagster keeps its own records: one place per store, so that two catalogues never mix."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

CONFIGURATION = """\
telemetry:
  enabled: false
nux:
  enabled: false
"""


def dagster_home(store: str) -> Path:
    """``<store>/.dagster`` for a local store, else a folder in the user's state named by the store's hash."""
    if "://" in store:
        digest = hashlib.sha256(store.encode()).hexdigest()[:12]
        home = Path.home() / ".local" / "state" / "packshot" / digest
    else:
        home = Path(store).resolve() / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(CONFIGURATION)
    return home


if __name__ == "__main__":
    print(dagster_home(sys.argv[1]))
