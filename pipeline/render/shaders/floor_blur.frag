#version 330
// Spread each light's hard shadow over the gap to the next light: the wider, the higher the blocker
// (after R. Fernando, "Percentage-Closer Soft Shadows", 2005; here one fixed width per height layer).
#include "floor_map.glsl"
uniform sampler2D dark_key;
uniform sampler2D dark_other;
uniform vec2 map_size;
uniform float product_size;
uniform vec2 spacing;              // radians between neighbouring lights: of the key, of all others
layout(location = 0) out vec4 o_open;    // share of the key, of all others
const int TAPS = 16;

// Average of one layer over a disc; the mip level makes few taps enough.
float spread(sampler2D dark, vec3 p, int layer, float radius, float turn) {
    vec2 here = floor_coordinate(p);
    vec2 slope = floor_reach * (FINE + 3.0 * (1.0 - FINE) * here * here) * 2.0 / map_size;   // metres per texel
    float level = max(0.0, log2(radius / max(slope.x, slope.y) * 0.45));
    float sum = 0.0;
    for (int i = 0; i < TAPS; ++i) {
        float r = radius * sqrt((float(i) + 0.5) / float(TAPS)), a = float(i) * 2.399963 + turn;
        vec2 at = floor_coordinate(p + vec3(r * cos(a), 0.0, r * sin(a))) * 0.5 + 0.5;
        sum += textureLod(dark, at, level)[layer];
    }
    return sum / float(TAPS);
}

void main() {
    vec3 p = floor_point(gl_FragCoord.xy / map_size * 2.0 - 1.0);
    vec2 dark = vec2(0.0);
    float height = LAYER * product_size;
    for (int layer = 0; layer < 4; ++layer) {
        vec2 radius = max(height * spacing, vec2(0.003 * product_size));
        dark += vec2(spread(dark_key, p, layer, radius.x, 0.0), spread(dark_other, p, layer, radius.y, 0.0));
        height *= LAYER_STEP;
    }
    o_open = vec4(1.0 - dark, 0.0, 1.0);
}
