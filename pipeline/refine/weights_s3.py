"""Model folders on S3: listed to know them, copied once to load them.

A folder is known by the names, sizes and ETags of its objects, so that one listing tells whether the copy in
the local cache is still it. The copy is made beside the cache and moved into it whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from upath import UPath

from pipeline.errors import RefineError, first_line


@dataclass(frozen=True, slots=True)
class S3Folder:
    """The objects of a model, and one digest over what S3 says of them."""

    root: UPath
    sizes: dict[str, int]                  # bytes, by name
    digest: str                            # 40 hex digits, like a commit

    @property
    def cache(self) -> Path:
        return Path.home() / ".cache" / "packshot" / "models" / self.digest


def is_s3(model: str) -> bool:
    return model.startswith("s3://")


def listed(model: str, files: Sequence[str], ignored: Sequence[str]) -> S3Folder:
    """What a folder holds of ``files``: one listing, no bytes. RefineError where there is nothing."""
    from botocore.exceptions import BotoCoreError, ClientError

    root = UPath(model, use_listings_cache=False)
    try:
        found: dict[str, dict[str, Any]] = root.fs.find(root.path, detail=True)
    except FileNotFoundError:
        found = {}
    except (OSError, BotoCoreError, ClientError) as error:
        raise RefineError("model_missing", f"{model} cannot be listed: {first_line(error)}",
                          "Check the bucket, your credentials, the region and AWS_ENDPOINT_URL.") from error
    base = root.path.rstrip("/") + "/"
    objects = {path.removeprefix(base): info for path, info in found.items()}
    names = sorted(name for name in objects if any(fnmatch(name, pattern) for pattern in files)
                         and not any(fnmatch(name, pattern) for pattern in ignored) and ".." not in name)
    if not names:
        raise RefineError("model_missing", f"There is no model under {model}.",
                          "Give the prefix that holds model_index.json, or a ControlNet's config.json.")
    said = "".join(f"{name}\0{objects[name].get('size')}\0{objects[name].get('ETag')}\0" for name in names)
    sizes = {name: int(objects[name].get("size") or 0) for name in names}
    return S3Folder(root, sizes, hashlib.sha256(said.encode()).hexdigest()[:40])


def fetched(folder: S3Folder) -> Path:
    """The local copy of a folder; bytes are read once per digest and machine."""
    from botocore.exceptions import BotoCoreError, ClientError

    target = folder.cache
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        for name, size in folder.sizes.items():
            local = partial / name
            local.parent.mkdir(parents=True, exist_ok=True)
            folder.root.fs.get_file((folder.root / name).path, str(local))
            if local.stat().st_size != size:
                raise OSError(f"{name} came with {local.stat().st_size} of {size} bytes")
        os.chmod(partial, 0o755)
        try:
            os.rename(partial, target)
        except OSError:
            if not target.is_dir():  # else another process was faster, with the same bytes
                raise
    except (OSError, BotoCoreError, ClientError) as error:
        raise RefineError("weights_unavailable", f"{folder.root} could not be copied: {first_line(error)}",
                          "Check your access and the free space under ~/.cache/packshot, and try again.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target
