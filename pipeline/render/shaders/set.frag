#version 330
// Albedo times baked light, under the product's live shadow and bounce; distance in alpha.
#include "plate.glsl"
in vec3 v_world;
in vec3 v_normal;
in vec2 v_uv;
in vec2 v_light;
flat in int v_panel;
in float v_depth;
uniform sampler2DArray albedo;
uniform sampler2D key_map;         // what a white card sends back: of the key's direct light, of all else
uniform sampler2D rest_map;
uniform sampler2D looks;           // two texels a panel: tint and texture; emission and gloss
uniform vec3 eye;
uniform vec3 sheen;                // what flat reflections see, on average

void main() {
    vec4 tint = texelFetch(looks, ivec2(0, v_panel), 0), glow = texelFetch(looks, ivec2(1, v_panel), 0);
    vec3 root = texture(albedo, vec3(v_uv, tint.a)).rgb;
    vec3 color = root * root * tint.rgb;
    vec3 key = texture(key_map, v_light).rgb, rest = texture(rest_map, v_light).rgb;
    vec2 open = vec2(1.0);
    bool ground = abs(v_world.y - floor_centre.y) < 1e-3 * product_size && v_normal.y > 0.5;
    if (ground) open = floor_open(v_world);
    vec3 light = key * open.x + rest * open.y;
    if (ground) light += bounced(open);
    vec3 v = normalize(eye - v_world);
    float flat_angle = pow(1.0 - clamp(dot(v, v_normal), 0.0, 1.0), 5.0);
    vec3 mirrored = sheen * (glow.a * (0.025 + 0.75 * flat_angle) * open.y);
    bool lamp = dot(glow.rgb, vec3(1.0)) > 0.0;
    o_plate = vec4(lamp ? glow.rgb : color * light + mirrored, v_depth);
}
