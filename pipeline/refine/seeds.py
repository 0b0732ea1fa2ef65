"""Seeds that survive an edited texture: a shot keeps its noise, so its light does not reroll."""

from __future__ import annotations

import hashlib


def seed_for(sku: str, shot: str, attempt: int) -> int:
    """Stable 63-bit seed of one attempt at one shot; non-negative, so every generator takes it."""
    digest = hashlib.sha256(f"{sku}\0{shot}\0{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
