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
uniform vec3 relit;                // another light's strength, of the baked one's on the floor; 0: as baked
uniform vec3 sheen;                // what flat reflections see, on average

void main() {
    vec4 tint = texelFetch(looks, ivec2(0, v_panel), 0), glow = texelFetch(looks, ivec2(1, v_panel), 0);
    bool lamp = dot(glow.rgb, vec3(1.0)) > 0.0;
    if (lamp && distance(v_uv, vec2(0.5)) > 0.5) discard;      // lamps are round
    vec3 root = texture(albedo, vec3(v_uv, tint.a)).rgb;
    vec3 color = root * root * tint.rgb;
    vec3 key = texture(key_map, v_light).rgb, rest = texture(rest_map, v_light).rgb;
    vec2 open = vec2(1.0);
    // The product's shadow lies on the ground, and runs out where that rises, as paper does.
    float rise = (v_world.y - floor_centre.y) / product_size;
    float ground = rise < -1e-3 ? 0.0 : (1.0 - smoothstep(0.0, 0.6, rise)) * smoothstep(0.5, 0.9, v_normal.y);
    if (ground > 0.0) open = mix(open, floor_open(v_world), ground);
    vec3 light = key * open.x + rest * open.y;
    if (relit != vec3(0.0))
        light = (key + rest) * relit * (key_floor * open.x + (floor_light - key_floor) * open.y) / floor_light;
    light += bounced(open);
    vec3 v = normalize(eye - v_world);
    float flat_angle = pow(1.0 - clamp(dot(v, v_normal), 0.0, 1.0), 5.0);
    vec3 mirrored = (relit == vec3(0.0) ? sheen : sheen * relit) * (glow.a * (0.025 + 0.75 * flat_angle) * open.y);
    o_plate = vec4(lamp ? glow.rgb : color * light + mirrored, v_depth);
}
