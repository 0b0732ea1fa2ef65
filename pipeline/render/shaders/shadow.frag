#version 330
// Shares of the lights that reach a pixel. Every light stands for a patch of the stage: its rays are
// tilted within the patch, another way in each pixel of a 4×4 block, and soften.frag averages the block
// (interleaved sampling: A. Keller and W. Heidrich 2001). A ray tilted by an angle passes a blocker at a
// distance beside where the straight one does, so shadows are the softer the further off their cause
// (R. Fernando, "Percentage-Closer Soft Shadows", 2005).
#include "lights.glsl"
#include "sample.glsl"
uniform sampler2D g_base;
uniform sampler2DShadow atlas;
uniform sampler2D atlas_depth;     // the same, to be read and not compared
uniform sampler2D blockers;
uniform sampler2D place;
uniform sampler2D face;
uniform mat4 clip;
uniform vec3 eye;
uniform float tolerance;           // metres off the surface's plane
layout(location = 0) out vec4 o_shares;    // of the key, of all others, of the surroundings; filter strength
layout(location = 1) out vec4 o_place;     // world position; 1 where there is one + share of crisp shadow
layout(location = 2) out vec4 o_face;
layout(location = 3) out vec4 o_behind;    // shares of what lies behind the surface in the pixel; share of crisp shadow

const float RANK[16] = float[16](0., 8., 2., 10., 12., 4., 14., 6., 3., 11., 1., 9., 15., 7., 13., 5.);
const mat2 GOLDEN = mat2(-0.7373688, 0.6754903, -0.6754903, -0.7373688);   // a turn of 137.5°
const float CRISP = 3.0;           // pixels: a shadow whose edge is no wider is kept from the filter
// Of the distance: what is nearer to a tilted ray's start is the surface itself, or has a crisp shadow.
const float NEARER = 0.25, NEARER_SHADED = 0.4, NEARER_LIT = 0.8;

// Distances of blockers around the pixel, of the key and of all others; 0 where nothing blocks.
vec2 blocker_distance(vec2 pixel, vec3 p, vec3 n) {
    vec2 size = vec2(textureSize(place, 0));
    vec2 at = pixel / float(COARSE) - 0.5;
    ivec2 base = ivec2(floor(at));
    vec2 f = at - vec2(base);
    vec4 sum = vec4(0.0);
    for (int k = 0; k < 4; ++k) {
        ivec2 corner = ivec2(k & 1, k >> 1);
        ivec2 cell = clamp(base + corner, ivec2(0), ivec2(size) - 1);
        vec4 q = texelFetch(place, cell, 0);
        if (q.w == 0.0) continue;
        vec2 side = mix(1.0 - f, f, vec2(corner));
        float off = dot(n, q.xyz - p) / (4.0 * tolerance);
        sum += texelFetch(blockers, cell, 0) * (side.x * side.y + 1e-3) * exp2(-off * off);
    }
    return vec2(sum.x > 1e-4 ? exp2(sum.y / sum.x) : 0.0, sum.z > 1e-4 ? exp2(sum.w / sum.z) : 0.0) * product_size;
}

struct Shares { vec3 open; float astray, crisp; };

// Shares of the light, metres that tilted rays stray, and the share that blockers closer than ``near`` hold
// back: of the pixel's samples on the surface of sample ``first``; other samples are lit in its stead.
Shares shares_of(ivec2 pixel, ivec2 first, vec3 middle, vec3 front, float near) {
    vec2 assumed = blocker_distance(vec2(pixel) + 0.5, middle, front);
    float rim = 1.0 / float(TILE);
    float rank = RANK[(pixel.y & 3) * 4 + (pixel.x & 3)];
    float turn = rank * 2.399963;
    vec2 tilt = sqrt((rank + 0.5) / 16.0) * vec2(cos(turn), sin(turn));
    float key_open = 0.0, key_all = 1e-6, rest_open = 0.0, rest_all = 1e-6, dome_open = 0.0, dome_all = 1e-6;
    float astray = 0.0, tilted = 1e-6, crisp = 0.0, all = 1e-6;
    for (int s = 0; s < 4; ++s) {
        ivec2 at = pixel * 2 + ivec2(s & 1, s >> 1);
        vec3 p = sample_place(at);
        if (texelFetch(g_base, at, 0).a == 0.0 || abs(dot(front, p - middle)) > tolerance) {
            at = first;
            p = middle;
        }
        vec3 n = sample_normal(at), flat_normal = sample_face(at), lifted = p + flat_normal * texel * 1.5;
        // One of four light subsets per sample; the pixel sees them all.
        for (int i = s; i < light_count; i += 4) {
            tilt = GOLDEN * tilt;
            float cosine = dot(n, l_direction[i].xyz);
            if (cosine <= 0.0) continue;
            bool is_key = i < key_count;
            float seen = 1.0;
            all += cosine;
            vec3 m = in_map(i, lifted);
            if (m.x >= 0.0) {
                float gap = (m.z - textureLod(atlas_depth, m.xy, 0.0).r) * l_patch[i].z;
                float distance = gap > 0.0 ? gap : is_key ? assumed.x : assumed.y;
                if (distance > 0.0) {
                    vec2 tile = floor(m.xy * float(ATLAS_TILES));
                    // Beside the straight ray the surface itself rises towards a low light; no ray tilts into it.
                    float level = max(dot(flat_normal, l_direction[i].xyz), 0.05);
                    float rise = l_patch[i].w * sqrt(max(1.0 / (level * level) - 1.0, 1e-6));
                    float reach = distance * min(1.0, NEARER_LIT / rise);
                    float nearer = distance * clamp(rise, NEARER, gap > 0.0 ? NEARER_SHADED : NEARER_LIT);
                    vec2 to = clamp(m.xy + tilt * reach * l_patch[i].xy, (tile + rim) / float(ATLAS_TILES),
                                    (tile + 1.0 - rim) / float(ATLAS_TILES));
                    seen = textureLod(atlas, vec3(to, m.z - nearer / l_patch[i].z), 0.0);
                    float stray = distance * l_patch[i].w;
                    astray += cosine * stray;
                    tilted += cosine;
                    if (gap > 0.0 && stray < near) crisp += cosine;
                }
            }
            float light = l_color[i].g * cosine;
            if (is_key) { key_open += light * seen; key_all += light; }
            else { rest_open += light * seen; rest_all += light; }
            if (i >= dome_first) { dome_open += cosine * seen; dome_all += cosine; }
        }
    }
    float shown = seen_by_camera(sample_normal(first), normalize(eye - middle));
    float to_camera = shown / (dome_all + shown);
    vec3 open = vec3(key_all < 1e-5 ? 0.0 : key_open / key_all, mix(rest_open / rest_all, 1.0, to_camera),
                     dome_all < 1e-5 ? 1.0 : mix(dome_open / dome_all, 1.0, to_camera));
    return Shares(open, astray / tilted, crisp / all);
}

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy), first = ivec2(-1), second = ivec2(-1);
    o_shares = o_place = o_face = o_behind = vec4(0.0);
    float nearest = 2.0;
    for (int s = 0; s < 4; ++s) {
        ivec2 at = pixel * 2 + ivec2(s & 1, s >> 1);
        float depth = texelFetch(g_depth, at, 0).r;
        if (texelFetch(g_base, at, 0).a > 0.0 && depth < nearest) { nearest = depth; first = at; }
    }
    if (first.x < 0) return;
    vec3 middle = sample_place(first), front = sample_face(first);
    // Metres per pixel: a clip coordinate's growth along the image's x.
    vec3 row = vec3(clip[0].x, clip[1].x, clip[2].x);
    float metres = 4.0 / frame_samples.x * (clip * vec4(middle, 1.0)).w / length(row);
    Shares own = shares_of(pixel, first, middle, front, CRISP * metres);
    o_shares = vec4(own.open, smoothstep(0.7, 2.5, own.astray / metres));
    o_place = vec4(middle, 1.0 + own.crisp);
    o_face = vec4(front, 1.0);
    // A silhouette within the product: what lies behind it has shadows of its own.
    for (int s = 0; s < 4; ++s) {
        ivec2 at = pixel * 2 + ivec2(s & 1, s >> 1);
        if (texelFetch(g_base, at, 0).a > 0.0 && abs(dot(front, sample_place(at) - middle)) > tolerance) second = at;
    }
    if (second.x < 0) return;
    Shares other = shares_of(pixel, second, sample_place(second), sample_face(second), CRISP * metres);
    o_behind = vec4(other.open, other.crisp);
}
