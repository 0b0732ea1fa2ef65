"""The words a refiner is told, from a catalogue's template over product facts and shot.

>>> filled("{product} made of {materials}, {shot}, {house}", {"product": "a mug", "materials": "", "shot": "hero"})
'hero'
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

FACTS: Mapping[str, str] = {
    "product": "product.yaml's prompt, else its description",
    "name": "the product's name",
    "category": "footwear, mug, …",
    "materials": "the kinds that product.yaml's material names, with commas",
    "shot": "what the shot says of itself",
    "stage": "white, sweep, curb, …",
    "house": "catalogue.yaml's prompt, for every product",
}
DEFAULT = "{product}, {shot}, {house}"


def checked(template: str) -> str:
    """The template, or ValueError that says which fact it asks for in vain."""
    try:
        wanted = [(name, conversion, form) for _, name, form, conversion in Formatter().parse(template)
                  if name is not None]
    except ValueError as error:
        raise ValueError(f"{template!r} is no template: {error}") from error
    for name, conversion, form in wanted:
        if name not in FACTS or conversion or form:
            raise ValueError(f"{{{name}}} is no fact; known: {', '.join(FACTS)}")
    return template


def filled(template: str, facts: Mapping[str, str]) -> str:
    """The template's parts, between commas, with every part left out that asks for a fact there is none of."""
    parts = [part.strip() for part in template.split(",")]
    told = [part.format_map(dict.fromkeys(FACTS, "") | dict(facts)) for part in parts
            if part and all(facts.get(name) for _, name, _, _ in Formatter().parse(part) if name is not None)]
    return ", ".join(told)
