#version 330
// Material of every sample of the 2×2 supersampled frame.
#include "surface.glsl"
layout(location = 0) out vec4 o_base;      // rgb linear, 1 where covered
layout(location = 1) out vec4 o_normal;    // world normal, roughness
layout(location = 2) out vec4 o_face;      // world face normal, baked occlusion
layout(location = 3) out vec4 o_emissive;  // rgb, metallic
layout(location = 4) out vec4 o_coat;      // clearcoat, sheen, 1 where a surface mirrors at all

void main() {
    vec4 base = base_color();
#if PIERCED
    if (is_hole()) discard;
#endif
    vec3 face = geometric_normal();
    vec3 normal = shading_normal(face);
    vec2 mr = m_surface.xy;
    if (present(2)) mr *= texture(t_metallic_roughness, slot_uv(2)).bg;
    if (present(5)) mr.y *= texture(t_roughness, slot_uv(5)).r;
    if (present(6)) mr.x *= texture(t_metallic, slot_uv(6)).r;
    float occlusion = present(3) ? mix(1.0, texture(t_occlusion, slot_uv(3)).r, m_strength.y) : 1.0;
    vec3 emissive = m_emissive;
    if (present(4)) emissive *= texture(t_emissive, slot_uv(4)).rgb;
    // A rough highlight stands in for normals that vary within the sample (J. Tokuyoshi and A. Kaplanyan 2019).
    vec3 nx = dFdx(normal), ny = dFdy(normal);
    float variance = min(0.25 * (dot(nx, nx) + dot(ny, ny)), 0.18);
    float alpha = mr.y * mr.y;
    float roughness = sqrt(sqrt(clamp(alpha * alpha + variance, 0.0, 1.0)));
    o_base = vec4(base.rgb, 1.0);
    o_normal = vec4(normal, clamp(roughness, 0.05, 1.0));
    o_face = vec4(face, occlusion);
    // Half floats end at 65504.
    o_emissive = vec4(min(emissive, vec3(3e4)), clamp(mr.x, 0.0, 1.0));
    o_coat = vec4(m_surface.zw, m_specular, 0.0);
}
