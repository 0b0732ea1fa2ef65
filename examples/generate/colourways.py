"""Colourways of the court sneaker: one mesh, different diffuse maps."""

from __future__ import annotations

from dataclasses import dataclass

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Colourway:
    """sRGB code values of everything that is dyed."""

    name: str
    vamp: Rgb
    toe: Rgb
    quarter: Rgb
    eyestay: Rgb
    counter: Rgb
    heel_tab: Rgb
    logo: Rgb
    collar: Rgb
    tongue: Rgb
    lining: Rgb
    footbed: Rgb
    lace: Rgb
    lace_tracer: Rgb                           # fine lines woven into the lace
    main_thread: Rgb                           # on light panels
    contrast_thread: Rgb                       # on dark panels
    label_ground: Rgb
    label_ink: Rgb
    wall: Rgb
    foxing: Rgb                                # line around the wall
    tread: Rgb
    wall_thread: Rgb
    eyelet: tuple[float, float, float]         # linear metal colour


GREEN_WHITE = Colourway(
    "green-white", vamp=(233, 230, 223), toe=(237, 235, 229), quarter=(238, 236, 230), eyestay=(20, 88, 58),
    counter=(20, 88, 58), heel_tab=(236, 234, 228), logo=(20, 88, 58), collar=(226, 224, 216), tongue=(234, 232, 226),
    lining=(206, 210, 203), footbed=(48, 104, 78), lace=(240, 238, 232), lace_tracer=(205, 208, 200),
    main_thread=(30, 104, 70), contrast_thread=(232, 229, 219), label_ground=(18, 78, 52), label_ink=(242, 240, 232),
    wall=(238, 235, 227), foxing=(24, 92, 62), tread=(186, 141, 92), wall_thread=(222, 218, 208),
    eyelet=(0.80, 0.80, 0.78))

NAVY_GUM = Colourway(
    "navy-gum", vamp=(33, 41, 62), toe=(30, 37, 56), quarter=(33, 41, 62), eyestay=(26, 32, 48),
    counter=(26, 32, 48), heel_tab=(226, 214, 188), logo=(230, 219, 194), collar=(29, 36, 54), tongue=(34, 42, 62),
    lining=(201, 176, 140), footbed=(190, 160, 120), lace=(235, 226, 206), lace_tracer=(203, 190, 162),
    main_thread=(222, 208, 178), contrast_thread=(222, 208, 178), label_ground=(230, 220, 196), label_ink=(28, 37, 62),
    wall=(196, 146, 92), foxing=(226, 214, 188), tread=(168, 118, 70), wall_thread=(226, 206, 168),
    eyelet=(0.78, 0.58, 0.34))
