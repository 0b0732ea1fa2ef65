"""From control passes to what an image should show, and from an image to measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from pipeline.catalogue import Region
from pipeline.errors import PackshotError, SentinelError
from pipeline.render.types import ControlPasses
from pipeline.sentinel.registry import Check, all_checks
from pipeline.sentinel.types import U8, Expected, Measurement


def expected_from(passes: ControlPasses) -> Expected:
    """What a faithful image of these passes shows."""
    return Expected(
        shot=passes.shot, camera=passes.camera, white_backdrop=passes.white_backdrop,
        key_chromaticity=passes.key_chromaticity, toe_direction=passes.toe_direction,
        material_names=passes.material_names, material_kinds=passes.material_kinds,
        display=passes.faithful, plate=passes.plate,
        alpha=passes.alpha, diffuse_albedo=passes.diffuse_albedo, diffuse=passes.diffuse, specular=passes.specular,
        emissive=passes.emissive, uv=passes.uv, normal=passes.normal, depth=passes.depth,
        instance_id=passes.instance_id, material_id=passes.material_id, chart_id=passes.chart_id,
        replaced=passes.replaced)


def measure(expected: Expected, image: U8, regions: Sequence[Region] = (), checks: Sequence[Check] = (),
            ) -> list[Measurement]:
    """Run every check on one image (H, W, 3), and ``checks`` of a catalogue's own. Nothing is judged here.

    A check that cannot work says so as a measurement without a value, which judging never passes.
    """
    width, height = expected.size
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        shape = " × ".join(map(str, image.shape[1::-1])) if image.ndim >= 2 else str(image.shape)
        raise SentinelError("image_size", f"The image is {shape} ({image.dtype}), the shot {expected.shot.name!r} is "
                            f"{width} × {height}.", "Score the image at the size it was made for, as 8-bit RGB.")
    return _with_unique_regions(measurement for check in (*all_checks(), *checks)
                                for measurement in run_check(check, expected, image, regions))


def run_check(check: Check, expected: Expected, image: U8, regions: Sequence[Region]) -> list[Measurement]:
    """One check's measurements; what it cannot do is one value-less measurement per estimator."""
    empty = [name for name in check.needs if not holds_something(getattr(expected, name))]
    if empty:
        return _unmeasured(check, f"the pass {empty[0]!r} is empty: the product is not in the picture")
    if check.layer == "house":
        return _of_house(check, expected, image, regions)
    try:
        return check.measure(expected, image, regions)
    except (PackshotError, np.linalg.LinAlgError) as error:
        return _unmeasured(check, str(error))


def _of_house(check: Check, expected: Expected, image: U8, regions: Sequence[Region]) -> list[Measurement]:
    """Like any other check's, whatever foreign code does: it may not take the other checks down with it."""
    try:
        measured = list(check.measure(expected, image.copy(), regions))
        strange = next((m for m in measured if not isinstance(m, Measurement) or m.check != check.name
                        or m.estimator not in check.estimators), None)
        if strange is not None:
            raise TypeError(f"{strange!r:.80} is no measurement of its declared estimators")
        return [replace(m, value=None if m.value is None else float(m.value), coverage=float(m.coverage))
                for m in measured]
    except Exception as error:  # noqa: BLE001 — foreign code
        return _unmeasured(check, f"its own code raised {type(error).__name__}: {error}")


def _with_unique_regions(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Two materials or regions may share a name; the second becomes ``name~2``, so that keys stay unique."""
    seen: Counter[tuple[str, str, str]] = Counter()
    result = []
    for measurement in measurements:
        key = (measurement.check, measurement.estimator, measurement.region)
        seen[key] += 1
        result.append(measurement if seen[key] == 1 else replace(measurement, region=f"{key[2]}~{seen[key]}"))
    return result


def holds_something(value: object) -> bool:
    """Whether a pass has any finite value other than zero."""
    return not isinstance(value, np.ndarray) or bool(np.any(np.isfinite(value) & (value != 0)))


def _unmeasured(check: Check, reason: str) -> list[Measurement]:
    return [Measurement(check.name, estimator, "image", None, check.unit, 0.0, reason=reason)
            for estimator in check.estimators]
