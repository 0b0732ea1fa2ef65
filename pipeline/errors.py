"""What can go wrong with one SKU, in words its owner can act on.

Every error carries a stable ``code`` for machines, a ``message`` that says what is wrong
and a ``hint`` that says what to do next. Raise the class of the room that noticed it.
"""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """What another library's error says first: SQL statements, links and dumps come below. At most 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class PackshotError(Exception):
    """One SKU, file or setting that cannot be processed as it is."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" Hint: {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[type[PackshotError], tuple[str, str, str]]:
        # The default would pickle only ``args``; loaders raise in child processes.
        return type(self), (self.code, self.message, self.hint)

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message, "hint": self.hint}


class CatalogueError(PackshotError):
    """The SKU folder, its manifest or the catalogue's settings."""


class IngestError(PackshotError):
    """The mesh file."""


class TextureError(PackshotError):
    """A texture map: missing, unreadable or larger than allowed."""


class RenderError(PackshotError):
    """The OpenGL context or a shot that cannot be framed."""


class RefineError(PackshotError):
    """A refiner preset, its weights or its settings."""


class PhotoError(PackshotError):
    """A reference photo: unreadable, or no place in it where the product could stand."""


class SentinelError(PackshotError):
    """A check or its limits."""


class StoreError(PackshotError):
    """An artefact that is absent, damaged or of an unknown schema."""
