"""Real products whose true maps are withheld: ``python -m training.real_products --out DATA/real``

The truth is the file with all its maps, path-traced; what the refiner is given is its mesh, its diffuse maps and a
hint of what each part is made of, as a shop would write it into ``product.yaml``. The files are those of the corpus
beside a checkout (``PACKSHOT_CORPUS`` names another place); products that are not there are left out and said so.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import PackshotError
from pipeline.lone_file import open_file
from training.strip import stripped
from training.types import Sample

ROOT = Path(__file__).resolve().parent.parent
SHOTS, CLOSE = 4, 1                     # cameras and lights of each product, and close views of each
CORPUS = Path(os.environ.get("PACKSHOT_CORPUS", ROOT.parent / "shared")) / "corpus"


@dataclass(frozen=True, slots=True)
class RealProduct:
    """A file with true maps, and the hint that goes with its stripped copy."""

    file: str                              # inside the corpus
    category: str
    description: str
    kinds: Mapping[str, str] = field(default_factory=dict)  # material name → kind


# Roughness and normal maps in each but the shoe, whose normal map is lost: of it only roughness is true.
REAL: Mapping[str, RealProduct] = {
    "racquet": RealProduct("racquet-gltf/TennisRacquet.gltf", "sport", "tennis racquet",
                           {"frame_material": "metal", "handle_material": "leather",
                            "plastic_parts_material": "plastic", "strings_material": "plastic"}),
    "mixer": RealProduct("mixer-glb/Mixer.glb", "appliance", "stand mixer", {"Mixer02Shader": "lacquer"}),
    "wickerchair": RealProduct("wickerchair-glb/WickerChair.glb", "furniture", "wicker chair",
                               {"WickerChair": "wicker", "WickerChair_Alpha": "wicker"}),
    "shoe": RealProduct("shoe-gltf/Shoe.gltf", "footwear", "running shoe", {"DefaultMaterial": "knit"}),
}


def present(corpus: Path = CORPUS) -> list[str]:
    """Names of the products whose files are there."""
    return [name for name, product in REAL.items() if (corpus / product.file).exists()]


def real_sample(name: str, seed: int = 0, corpus: Path = CORPUS) -> Sample:
    """One real product twice; ``seed`` draws only its camera and light. Raises IngestError or TextureError."""
    product = REAL[name]
    whole = open_file(corpus / product.file, description=product.description, category=product.category)
    known, known_textures = stripped(whole.mesh, whole.textures, product.kinds, product.description, product.category)
    return Sample(name, seed, product.category, whole.mesh, whole.textures, known, known_textures)


def make_all(folder: Path, names: Sequence[str], shots: int = SHOTS, corpus: Path = CORPUS) -> int:
    """Draw and trace every product's shots into ``folder``; what is there is kept. How many products failed."""
    from pipeline.render import Renderer
    from pipeline.render.tracer import Tracer
    from training.pairs import HELD_OUT_SAMPLES, pairs_of, save

    folder.mkdir(parents=True, exist_ok=True)
    todo = [(name, seed) for name in names for seed in range(1, shots + 1) if not _mark(folder, name, seed).exists()]
    failed: set[str] = set()
    start = time.monotonic()
    with Renderer() as renderer, Renderer() as bare, Tracer() as tracer:
        for done, (name, seed) in enumerate(todo, start=1):
            try:
                for pair in pairs_of(real_sample(name, seed, corpus), renderer, bare, tracer,
                                     samples=HELD_OUT_SAMPLES, close=CLOSE):
                    save(pair, folder)
                _mark(folder, name, seed).touch()
            except PackshotError as error:
                failed.add(name)
                print(f"{name}, shot {seed}: {error.message} {error.hint}", file=sys.stderr, flush=True)
            left = (time.monotonic() - start) / done * (len(todo) - done)
            print(f"{done} of {len(todo)} shots, about {left / 60:.1f} min left", file=sys.stderr, flush=True)
    return len(failed)


def _mark(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}-{seed:06d}.done"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("training-data") / "real")
    parser.add_argument("--products", nargs="+", default=list(REAL), choices=list(REAL))
    parser.add_argument("--shots", type=int, default=SHOTS)
    given = parser.parse_args()
    here = present()
    for name in given.products:
        if name not in here:
            print(f"{name}: {REAL[name].file} is not in {CORPUS}, left out", file=sys.stderr)
    return 1 if make_all(given.out, [name for name in given.products if name in here], given.shots) else 0


if __name__ == "__main__":
    sys.exit(main())
