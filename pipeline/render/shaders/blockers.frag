#version 330
// On a coarse grid: how far away what shadows each point is, and how light the product is around it.
#include "lights.glsl"
#include "sample.glsl"
uniform sampler2D atlas;
uniform sampler2D g_base;
uniform vec3 eye;
layout(location = 0) out vec4 o_blockers;  // key: weight, weight · log2 distance; all others: the same
layout(location = 1) out vec4 o_around;    // albedo, or a metal's reflectance; openness to the dome
layout(location = 2) out vec4 o_place;     // world position, 1 where there is one
layout(location = 3) out vec4 o_face;

void main() {
    ivec2 at = min(ivec2(gl_FragCoord.xy) * 2 * COARSE + COARSE, ivec2(frame_samples) - 1);
    if (texelFetch(g_base, at, 0).a == 0.0) {
        o_blockers = o_around = o_place = o_face = vec4(0.0);
        return;
    }
    vec3 p = sample_place(at), n = sample_normal(at), face = sample_face(at);
    vec3 lifted = p + face * texel * 1.5;
    vec4 blockers = vec4(0.0);
    float shown = seen_by_camera(n, normalize(eye - p));
    float dome_all = shown + 1e-6, dome_open = dome_all;
    for (int i = 0; i < light_count; ++i) {
        float cosine = dot(n, l_direction[i].xyz);
        if (cosine <= 0.0) continue;
        vec3 m = in_map(i, lifted);
        float gap = m.x < 0.0 ? 0.0 : m.z - textureLod(atlas, m.xy, 0.0).r;
        if (i >= dome_first) {
            dome_all += cosine;
            dome_open += gap <= 0.0 ? cosine : 0.0;
        }
        // Nearer blockers cast no soft edge, and may be the map's own steps.
        float distance = gap * l_patch[i].z;
        if (distance < 2.0 * texel) continue;
        vec2 share = cosine * vec2(1.0, log2(distance / product_size));
        if (i < key_count) blockers.xy += share; else blockers.zw += share;
    }
    o_blockers = blockers;
    o_around = vec4(texelFetch(g_base, at, 0).rgb, dome_open / dome_all);
    o_place = vec4(p, 1.0);
    o_face = vec4(face, 1.0);
}
