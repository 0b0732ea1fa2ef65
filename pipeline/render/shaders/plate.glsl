// What every backdrop needs: the pixel's ray, the floor's light, and the stage's own axes.
#include "floor_map.glsl"
uniform mat4 unproject;            // ndc (y down) → world
uniform vec2 frame_size;
uniform sampler2D floor_ratio;
uniform vec3 stage_front;          // horizontal, towards the camera
uniform vec3 stage_right;
uniform float product_size;
uniform float shadow_strength;
uniform vec3 floor_albedo;
uniform vec3 floor_light;          // unshadowed
uniform vec3 wall_light;           // on an upright card facing the camera
uniform vec3 key_direction;
uniform vec3 key_floor;            // the key's part of floor_light
uniform vec3 key_wall;
layout(location = 0) out vec4 o_plate;

struct Ray { vec3 origin, direction; };

Ray pixel_ray(vec2 pixel) {
    vec2 ndc = pixel / frame_size * 2.0 - 1.0;
    vec4 a = unproject * vec4(ndc, -1.0, 1.0), b = unproject * vec4(ndc, 1.0, 1.0);
    vec3 from = a.xyz / a.w;
    return Ray(from, normalize(b.xyz / b.w - from));
}

// Metres along the ray to the floor; negative where it never meets it.
float to_floor(Ray ray) {
    return ray.direction.y < -1e-4 ? (floor_centre.y - ray.origin.y) / ray.direction.y : -1.0;
}

// Share of the light that reaches the floor at ``p``; exactly 1 far from the product.
vec3 floor_shadow(vec3 p) {
    vec2 s = floor_coordinate(p);
    float edge = max(abs(s.x), abs(s.y));
    if (edge >= 1.0) return vec3(1.0);
    vec3 dark = 1.0 - textureLod(floor_ratio, s * 0.5 + 0.5, 0.0).rgb;
    float fade = 1.0 - smoothstep(0.55, 0.97, length(s));
    return 1.0 - clamp((dark - 0.004) / 0.996, 0.0, 1.0) * fade * shadow_strength;
}

// Stage coordinates in product sizes: x right, y up, z towards the camera.
vec3 on_stage(vec3 p) {
    vec3 q = (p - floor_centre) / product_size;
    return vec3(dot(q, stage_right), q.y, dot(q, stage_front));
}
