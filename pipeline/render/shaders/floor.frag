#version 330
// Light that reaches the floor past the product, as a share of what would reach it without.
#include "lights.glsl"
#include "floor_map.glsl"
uniform sampler2D atlas;
uniform float atlas_depth;         // metres that an atlas depth of 1 stands for
uniform vec2 map_size;
layout(location = 0) out vec4 o_ratio;   // rgb share, mean distance to what blocks the light (metres)

void main() {
    vec3 p = floor_point(gl_FragCoord.xy / map_size * 2.0 - 1.0);
    vec3 open = vec3(0.0), all = vec3(0.0);
    float distance = 0.0, blocked = 0.0;
    ivec2 limit = textureSize(atlas, 0) - 1;
    for (int i = 0; i < light_count; ++i) {
        vec3 light = l_color[i].rgb * max(l_direction[i].y, 0.0);
        all += light;
        vec3 m = in_map(i, p);
        float seen = 1.0;
        if (m.x >= 0.0) {
            float stored = textureLod(atlas, m.xy, 0.0).r;
            if (stored < m.z - 2e-4) {
                seen = 0.0;
                float weight = light.g;
                distance += weight * min(1e3, (m.z - stored) * atlas_depth);
                blocked += weight;
            }
        }
        open += light * seen;
    }
    o_ratio = vec4(open / all, blocked > 0.0 ? distance / blocked : 0.0);
}
