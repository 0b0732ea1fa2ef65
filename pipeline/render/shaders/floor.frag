#version 330
// Light that reaches the floor past the product, as a share of what would reach it without:
// the key's share and the share of all other light, each with the mean distance to what blocks it.
#include "lights.glsl"
#include "floor_map.glsl"
uniform sampler2D atlas;
uniform float atlas_depth;         // metres that an atlas depth of 1 stands for
uniform vec2 map_size;
layout(location = 0) out vec4 o_map;     // key share, other share, key distance, other distance

void main() {
    vec3 p = floor_point(gl_FragCoord.xy / map_size * 2.0 - 1.0);
    vec2 open = vec2(0.0), all = vec2(0.0), distance = vec2(0.0), blocked = vec2(1e-9);
    for (int i = 0; i < light_count; ++i) {
        float light = l_color[i].g * max(l_direction[i].y, 0.0);
        vec2 group = i < key_count ? vec2(light, 0.0) : vec2(0.0, light);
        all += group;
        vec3 m = in_map(i, p);
        float gap = m.x < 0.0 ? -1.0 : m.z - 2e-4 - textureLod(atlas, m.xy, 0.0).r;
        if (gap <= 0.0) { open += group; continue; }
        distance += group * gap * atlas_depth;
        blocked += group;
    }
    o_map = vec4(open / all, distance / blocked);
}
