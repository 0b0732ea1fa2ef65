"""The embedded model's files, looked through before torch loads them.

A model is a folder with ``model.json``, which names every file of weights with its sha256, and says how the networks
answer; ``light`` and ``relief`` are folders as diffusers writes them. Without a folder the one in the package is meant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import RefineError

PACKAGED = Path(__file__).with_name("embedded_model")
DESCRIPTION = "model.json"
_AGAIN = ("Install the package again, or name the folder of a model made with `make train-data train-run`: "
          "PACKSHOT_REFINER=embedded:training-run/model.")


@dataclass(frozen=True, slots=True)
class Description:
    """What ``model.json`` says."""

    name: str
    files: Mapping[str, str]               # path in the folder → sha256
    light_steps: int                       # 0: the mean of what may be; 1 to 4: a sample in so many steps
    relief_steps: int
    guided: bool                           # relief lies where a tile of the material's kind says

    @property
    def sha256(self) -> str:
        """One hash for all files."""
        text = "".join(f"{path}\0{digest}\0" for path, digest in sorted(self.files.items()))
        return hashlib.sha256(text.encode()).hexdigest()


def described(folder: Path) -> Description:
    """Cheap: reads no weights. Raises RefineError ``weights_missing`` or ``model_unreadable``."""
    path = folder / DESCRIPTION
    try:
        value: Any = json.loads(path.read_text())
        found = Description(str(value["name"]), {str(name): str(digest) for name, digest in value["files"].items()},
                            int(value["light_steps"]), int(value["relief_steps"]), bool(value["guided"]))
    except FileNotFoundError as error:
        raise RefineError("weights_missing", f"There is no embedded model in {folder.name}: {DESCRIPTION} is missing.",
                          _AGAIN) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefineError("model_unreadable", f"{folder.name}/{DESCRIPTION} cannot be read: {error}.", _AGAIN
                          ) from error
    if not all(0 <= steps <= 4 for steps in (found.light_steps, found.relief_steps)):
        raise RefineError("model_unreadable", f"{folder.name}/{DESCRIPTION} asks for more than 4 steps.", _AGAIN)
    return found


def checked(folder: Path) -> Description:
    """The description, after every file's bytes were found to be what it says.

    Raises RefineError ``weights_missing``, ``weights_damaged`` or ``model_unreadable``.
    """
    found = described(folder)
    for name, digest in found.files.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise RefineError("weights_missing", f"The embedded model's {name} is missing.", _AGAIN) from error
        if actual != digest:
            raise RefineError("weights_damaged", f"The embedded model's {name} is not the file that {DESCRIPTION} "
                              f"names: its sha256 is {actual[:12]}…, not {digest[:12]}….", _AGAIN)
    return found


def describe(folder: Path, name: str, light_steps: int, relief_steps: int, guided: bool = True) -> Description:
    """Write ``model.json`` for a folder's files as they are."""
    files = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in sorted(folder.glob("*/*")) + sorted(folder.glob("*.npz"))}
    found = Description(name, files, light_steps, relief_steps, guided)
    said = {"name": name, "light_steps": light_steps, "relief_steps": relief_steps, "guided": guided, "files": files}
    (folder / DESCRIPTION).write_text(json.dumps(said, indent=2) + "\n")
    return found
