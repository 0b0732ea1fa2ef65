"""Put trained networks together as a model: ``python -m training.package --run RUN --out FOLDER``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from pipeline.refine.embedded_weights import describe
from pipeline.refine.nets.model import TILES
from training.bank import make_bank
from training.heads import HEADS


def package(run: Path, out: Path, name: str, light_steps: int, relief_steps: int, guided: bool) -> None:
    """Copy each network's best weights, add tiles of every kind, and describe them; what was in ``out`` is replaced."""
    for head in HEADS.values():
        shutil.rmtree(out / head.name, ignore_errors=True)
        shutil.copytree(run / head.name / head.name, out / head.name)
    make_bank(out / TILES)
    found = describe(out, name, light_steps, relief_steps, guided)
    size = sum(path.stat().st_size for path in out.rglob("*.safetensors")) / 1e6
    print(f"{name}: {size:.1f} MB in {len(found.files)} files, sha256 {found.sha256[:12]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("training-run"))
    parser.add_argument("--out", type=Path, default=Path("training-run/model"))
    parser.add_argument("--name", default="packshot-embedded-1")
    parser.add_argument("--light-steps", type=int, default=0, help="0: the mean; 1 to 4: a sample")
    parser.add_argument("--relief-steps", type=int, default=1)
    parser.add_argument("--guided", action=argparse.BooleanOptionalAction, default=True,
                        help="lay relief where a tile of the material's kind says")
    given = parser.parse_args()
    package(given.run, given.out, given.name, given.light_steps, given.relief_steps, given.guided)


if __name__ == "__main__":
    main()
