#version 330
// Spread each light's hard shadow over the gap to the next light, wider the higher the blocker
// (R. Fernando, "Percentage-Closer Soft Shadows", 2005, on the floor's light map).
#include "floor_map.glsl"
uniform sampler2D ratio;
uniform vec2 map_size;
uniform float product_size;
layout(location = 0) out vec4 o_ratio;
const int SEARCH = 20;
const int TAPS = 40;

vec2 disc(int i, int count) {
    float r = sqrt((float(i) + 0.5) / float(count)), a = float(i) * 2.399963;
    return r * vec2(cos(a), sin(a));
}

vec4 at(vec3 p) { return textureLod(ratio, floor_coordinate(p) * 0.5 + 0.5, 0.0); }

void main() {
    vec3 p = floor_point(gl_FragCoord.xy / map_size * 2.0 - 1.0);
    float distance = 0.0, weight = 1e-6;
    for (int i = 0; i < SEARCH; ++i) {
        vec2 d = disc(i, SEARCH) * 0.10 * product_size;
        vec4 tap = at(p + vec3(d.x, 0.0, d.y));
        float w = 1.0 - tap.g;
        distance += w * tap.a;
        weight += w;
    }
    float radius = clamp(distance / weight * 0.22, 0.004 * product_size, 0.2 * product_size);
    vec3 sum = vec3(0.0);
    for (int i = 0; i < TAPS; ++i) {
        vec2 d = disc(i, TAPS) * radius;
        sum += at(p + vec3(d.x, 0.0, d.y)).rgb;
    }
    o_ratio = vec4(sum / float(TAPS), 1.0);
}
