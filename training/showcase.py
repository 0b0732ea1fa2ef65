"""What the embedded model adds, as a picture: ``python -m training.showcase [--out docs/images/embedded.jpg]``

Products of families that it has never seen, each four times: the render, the same in path-traced light, refined, and
the truth, path-traced with all the maps that were withheld.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.colour import to_display
from pipeline.refine import seed_for
from pipeline.refine.embedded_weights import PACKAGED, described
from pipeline.refine.nets.model import EmbeddedModel, Steps
from pipeline.refine.regions_in_picture import coverage_of
from pipeline.render import Renderer, compose
from pipeline.render.tracer import Tracer
from pipeline.render.tracing import TracingRenderer
from training.families import make_sample
from training.pairs import DEPTH, close_lens, drawn_shot, drawn_stage, through

U8 = NDArray[np.uint8]
TITLES = ("render", "in path-traced light", "refined", "truth, with its withheld maps")
SAMPLES = 64
SHOWN = (("backpack", 12), ("backpack", 14), ("boot", 24), ("backpack", 5))


def row(family: str, seed: int, size: int, model: EmbeddedModel, steps: Steps, drawer: Renderer,
        tracing: TracingRenderer, tracer: Tracer) -> list[U8]:
    """The four pictures of one product's close view."""
    sample = make_sample(family, seed)
    rng = np.random.default_rng((seed, *family.encode()))
    stage = drawn_stage(rng)
    shot = drawn_shot(rng, stage)
    known = compose(sample.known, shot, sample.known_textures, stage=stage)
    truth = compose(sample.truth, shot, sample.truth_textures, stage=stage)
    lens = close_lens(rng, drawer.draw(known), size)
    near = through(known, lens, size)
    drawn, passes = drawer.draw(near), tracing.draw(near)
    locked = coverage_of(passes, sample.regions, ("label", "logo"))
    refined = model.refine(passes, seed_for(family, "close", seed), steps, locked)
    seen = tracer.trace(through(truth, lens, size), samples=SAMPLES, depth=DEPTH, denoise=True).product
    return [to_display(product, passes.plate, passes.white_backdrop)
            for product in (drawn.product, passes.product, refined.product, seen)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/embedded.jpg"))
    parser.add_argument("--model", type=Path, default=PACKAGED)
    parser.add_argument("--size", type=int, default=480, help="px of each picture")
    parser.add_argument("--products", nargs="+", default=[f"{family}-{seed}" for family, seed in SHOWN],
                        metavar="FAMILY-SEED")
    given = parser.parse_args()
    found = described(given.model)
    model, steps = EmbeddedModel.load(given.model), Steps(found.light_steps, found.relief_steps, found.guided)
    with Renderer() as drawer, TracingRenderer() as tracing, Tracer() as tracer:
        rows = [row(family, int(seed), given.size, model, steps, drawer, tracing, tracer)
                for family, _, seed in (name.rpartition("-") for name in given.products)]
    pictures = np.concatenate([np.concatenate(pictures, axis=1) for pictures in rows], axis=0)
    page = Image.new("RGB", (pictures.shape[1], pictures.shape[0] + 34), "white")
    page.paste(Image.fromarray(pictures), (0, 34))
    pen = ImageDraw.Draw(page)
    for index, title in enumerate(TITLES):
        pen.text((index * given.size + 8, 7), title, fill="black", font=ImageFont.load_default(17))
    page.save(given.out, quality=90)
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
