#version 330
// Light that the product keeps from the floor, as a share of all that would reach it: the key's and all
// other light's, each in four layers by the height of what blocks it (see LAYER in floor_map.glsl).
#include "lights.glsl"
#include "floor_map.glsl"
uniform sampler2D atlas;
uniform float atlas_depth;         // metres that an atlas depth of 1 stands for
uniform vec2 map_size;
layout(location = 0) out vec4 o_key;
layout(location = 1) out vec4 o_other;

void main() {
    vec3 p = floor_point(gl_FragCoord.xy / map_size * 2.0 - 1.0);
    vec4 key = vec4(0.0), other = vec4(0.0);
    vec2 all = vec2(0.0);
    for (int i = 0; i < light_count; ++i) {
        float light = l_color[i].g * max(l_direction[i].y, 0.0);
        bool is_key = i < key_count;
        all += is_key ? vec2(light, 0.0) : vec2(0.0, light);
        vec3 m = in_map(i, p);
        float gap = m.x < 0.0 ? -1.0 : m.z - 2e-4 - textureLod(atlas, m.xy, 0.0).r;
        if (gap <= 0.0) continue;
        float layer = clamp(log(gap * atlas_depth / (product_size * LAYER)) / log(LAYER_STEP), 0.0, 3.0);
        vec4 share = clamp(1.0 - abs(vec4(0.0, 1.0, 2.0, 3.0) - layer), 0.0, 1.0) * light;
        if (is_key) key += share; else other += share;
    }
    o_key = key / all.x;
    o_other = other / all.y;
}
