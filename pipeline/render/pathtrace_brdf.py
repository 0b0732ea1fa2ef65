"""glTF's metallic-roughness surface for Mitsuba, keeping all energy: what a white one takes in, it sends back.

Part of the path tracer's own process; see pathtrace_child.py. Mitsuba's own ``principled`` loses two thirds of the
light on a rough metal and adds some on a dielectric. Specular: GGX with height-correlated Smith masking (E. Heitz
2014) and Schlick's Fresnel, scaled up by what further bounces between facets return (E. Turquin, "Practical
multiple scattering compensation for microfacet models", 2019). Diffuse: Lambert under what the specular part lets
through (albedo scaling, C. Kulla and A. Conty 2017).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from pipeline.render.pathtrace_looks import SMOOTHEST, Look, Slot

COAT_ROUGHNESS = 0.12
DIELECTRIC = 0.04          # reflectance at normal incidence
SHEEN = 0.35               # of the light, at the full strength and grazing view
TABLE = 32                 # cosines and roughnesses
LOWEST = 0.004             # cosine
_SAMPLES = 64              # per axis, of a table's entry


def specular_albedo(cosine: NDArray[np.float64], roughness: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 2) scale and bias of F0 in what GGX reflects of even light, one bounce (B. Karis 2013)."""
    u, v = np.meshgrid((np.arange(_SAMPLES) + 0.5) / _SAMPLES, (np.arange(_SAMPLES) + 0.5) / _SAMPLES)
    cosine, alpha = cosine[..., None, None], np.square(roughness)[..., None, None]
    height = np.sqrt((1.0 - v) / (1.0 + (alpha**2 - 1.0) * v))     # half vectors in proportion to D·cosine
    flat = np.sqrt(np.maximum(1.0 - height**2, 0.0))
    sine = np.sqrt(1.0 - cosine**2)
    facing = np.maximum(flat * np.cos(2 * np.pi * u) * sine + height * cosine, 1e-6)
    light = 2.0 * facing * height - cosine
    masked = 2.0 * np.maximum(light, 0.0) * cosine / np.maximum(
        light * np.sqrt(alpha**2 + (1 - alpha**2) * cosine**2)
        + cosine * np.sqrt(alpha**2 + (1 - alpha**2) * light**2), 1e-9)
    weight = np.where(light > 0.0, masked * facing / (height * cosine), 0.0)
    bias = (1.0 - facing) ** 5
    return np.stack([(weight * (1.0 - bias)).mean(axis=(-2, -1)), (weight * bias).mean(axis=(-2, -1))], axis=-1)


@cache
def _table() -> Any:
    """Scale and bias by cosine (u) and roughness (v)."""
    steps = np.linspace(0.0, 1.0, TABLE)
    values = np.stack([specular_albedo(np.maximum(steps, LOWEST), np.full(TABLE, max(row, SMOOTHEST)))
                       for row in steps])
    return mi.Texture2f(mi.TensorXf(values.astype(np.float32)), wrap_mode=dr.WrapMode.Clamp)


def _in_table(value: Any) -> Any:
    """0 and 1 are the middles of the first and the last texel."""
    return value * ((TABLE - 1.0) / TABLE) + 0.5 / TABLE


class _Point:
    """The surface's values where it is looked at from ``wi``."""

    def __init__(self, look: Look, si: Any, active: Any) -> None:
        rgba = look.base(si, active)
        base = mi.Color3f(rgba.x, rgba.y, rgba.z)
        metallic = look.metallic(si, active)
        self.roughness = look.roughness(si, active)
        self.alpha = dr.square(self.roughness)
        self.f0 = dr.lerp(mi.Color3f(DIELECTRIC), base, metallic)
        cosine = dr.clip(si.wi.z, 1e-3, 1.0)
        scale, bias = _table().eval(mi.Point2f(_in_table(cosine), _in_table(self.roughness)), active)
        self.boost = 1.0 + self.f0 * (1.0 / (scale + bias) - 1.0)
        reflected = (self.f0 * scale + bias) * self.boost
        grazing = 1.0 - cosine
        self.coat = look.number("clearcoat", si, active) * (DIELECTRIC + (1.0 - DIELECTRIC) * grazing**5)
        self.diffuse = base * (1.0 - metallic) * (1.0 - dr.minimum(reflected, 1.0)) + (
            look.number("sheen", si, active) * SHEEN * grazing**3) * dr.sqrt(dr.maximum(base, 0.0))
        # Chances of the lobes: diffuse, specular, coat.
        weights = dr.mean(self.diffuse), dr.mean(reflected)
        self.to_specular = dr.clip(weights[1] / dr.maximum(weights[0] + weights[1], 1e-6), 0.1, 0.9)
        self.to_coat = dr.select(self.coat > 0.0, dr.maximum(self.coat, 0.1), 0.0)


def _facets(alpha: Any) -> Any:
    return mi.MicrofacetDistribution(mi.MicrofacetType.GGX, alpha, True)


def _lobe(alpha: Any, wi: Any, wo: Any, m: Any) -> Any:
    """D·V·cosine of GGX, without Fresnel."""
    squared = dr.square(alpha)
    spread = dr.square(m.z) * (squared - 1.0) + 1.0
    density = squared / (dr.pi * dr.square(spread))
    masked = 0.5 / dr.maximum(wo.z * dr.sqrt(squared + (1.0 - squared) * dr.square(wi.z))
                              + wi.z * dr.sqrt(squared + (1.0 - squared) * dr.square(wo.z)), 1e-9)
    return density * masked * wo.z


class MetallicRoughness(mi.BSDF):  # type: ignore[misc]
    """``look``: index into Slot.looks."""

    def __init__(self, props: Any) -> None:
        mi.BSDF.__init__(self, props)
        self.look = Slot.looks[int(props["look"])]
        kinds = [mi.BSDFFlags.DiffuseReflection, mi.BSDFFlags.GlossyReflection]
        self.m_components = [kind | mi.BSDFFlags.FrontSide | mi.BSDFFlags.SpatiallyVarying for kind in kinds]
        self.m_flags = self.m_components[0] | self.m_components[1]

    def sample(self, ctx: Any, si: Any, sample1: Any, sample2: Any, active: Any = True) -> Any:
        point = _Point(self.look, si, active)
        coated = sample1 < point.to_coat
        rest = dr.clip((sample1 - point.to_coat) / dr.maximum(1.0 - point.to_coat, 1e-6), 0.0, 1.0)
        mirrors = coated | (rest < point.to_specular)
        alpha = dr.select(coated, COAT_ROUGHNESS**2, point.alpha)
        m, _ = _facets(alpha).sample(si.wi, sample2)
        sample = mi.BSDFSample3f()
        sample.wo = dr.select(mirrors, mi.reflect(si.wi, m), mi.warp.square_to_cosine_hemisphere(sample2))
        sample.eta = 1.0
        sample.sampled_component = dr.select(mirrors, mi.UInt32(1), mi.UInt32(0))
        sample.sampled_type = dr.select(mirrors, mi.UInt32(+mi.BSDFFlags.GlossyReflection),
                                        mi.UInt32(+mi.BSDFFlags.DiffuseReflection))
        value, sample.pdf = self.eval_pdf(ctx, si, sample.wo, active)
        usable = active & (sample.pdf > 0.0)
        return sample, dr.select(usable, value / dr.maximum(sample.pdf, 1e-20), 0.0)

    def eval(self, ctx: Any, si: Any, wo: Any, active: Any = True) -> Any:
        return self.eval_pdf(ctx, si, wo, active)[0]

    def pdf(self, ctx: Any, si: Any, wo: Any, active: Any = True) -> Any:
        return self.eval_pdf(ctx, si, wo, active)[1]

    def eval_pdf(self, ctx: Any, si: Any, wo: Any, active: Any = True) -> Any:
        """BRDF times cosine, and the density of ``sample``."""
        point = _Point(self.look, si, active)
        wi = si.wi
        above = active & (wi.z > 0.0) & (wo.z > 0.0)
        m = dr.normalize(wi + wo)
        facing = dr.clip(dr.dot(wi, m), 0.0, 1.0)
        fresnel = point.f0 + (1.0 - point.f0) * (1.0 - facing) ** 5
        value = point.diffuse * (wo.z * dr.inv_pi) + fresnel * point.boost * _lobe(point.alpha, wi, wo, m)
        value = value * (1.0 - point.coat) + point.coat * _lobe(mi.Float(COAT_ROUGHNESS**2), wi, wo, m)
        to_wo = 1.0 / dr.maximum(4.0 * facing, 1e-6)
        specular = _facets(point.alpha).pdf(wi, m) * to_wo
        coat = _facets(mi.Float(COAT_ROUGHNESS**2)).pdf(wi, m) * to_wo
        density = dr.lerp(mi.warp.square_to_cosine_hemisphere_pdf(wo), specular, point.to_specular)
        density = dr.lerp(density, coat, point.to_coat)
        return dr.select(above, value, 0.0), dr.select(above, density, 0.0)

    def eval_diffuse_reflectance(self, si: Any, active: Any = True) -> Any:
        rgba = self.look.base(si, active)
        return mi.Color3f(rgba.x, rgba.y, rgba.z) * (1.0 - self.look.metallic(si, active))

    def traverse(self, callback: Any) -> None:
        pass

    def to_string(self) -> str:
        return f"MetallicRoughness[{self.look.given['roughness']}]"


mi.register_bsdf("packshot_surface", MetallicRoughness)
