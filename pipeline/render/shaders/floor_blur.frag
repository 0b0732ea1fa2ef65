#version 330
// Spread each light's hard shadow over the gap to the next light, wider the higher the blocker
// (R. Fernando, "Percentage-Closer Soft Shadows", 2005, on the floor's light map).
#include "floor_map.glsl"
uniform sampler2D sharp;
uniform vec2 map_size;
uniform float product_size;
uniform vec2 spacing;              // radians between neighbouring lights: of the key, of all others
layout(location = 0) out vec4 o_map;
const int SEARCH = 24;
const int TAPS = 48;

vec2 disc(int i, int count) {
    float r = sqrt((float(i) + 0.5) / float(count)), a = float(i) * 2.399963;
    return r * vec2(cos(a), sin(a));
}

vec4 at(vec3 p, vec2 offset) {
    return textureLod(sharp, floor_coordinate(p + vec3(offset.x, 0.0, offset.y)) * 0.5 + 0.5, 0.0);
}

void main() {
    vec3 p = floor_point(gl_FragCoord.xy / map_size * 2.0 - 1.0);
    vec2 distance = vec2(0.0), weight = vec2(1e-6);
    for (int i = 0; i < SEARCH; ++i) {
        vec4 tap = at(p, disc(i, SEARCH) * 0.12 * product_size);
        vec2 dark = 1.0 - tap.rg;
        distance += dark * tap.ba;
        weight += dark;
    }
    vec2 radius = clamp(distance / weight * spacing, vec2(0.003), vec2(0.25 * product_size));
    radius = max(radius, vec2(0.004 * product_size));
    vec2 sum = vec2(0.0);
    for (int i = 0; i < TAPS; ++i) {
        vec2 d = disc(i, TAPS);
        sum += vec2(at(p, d * radius.x).r, at(p, d * radius.y).g);
    }
    o_map = vec4(sum / float(TAPS), 0.0, 1.0);
}
