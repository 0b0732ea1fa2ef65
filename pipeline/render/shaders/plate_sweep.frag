#version 330
// A seamless paper sweep: floor that curves up into a wall, lit by a soft pool behind the product.
#include "plate.glsl"
const float WALL = -2.3;
const float CURVE = 1.5;
void main() {
    Ray ray = pixel_ray(gl_FragCoord.xy);
    float t = to_floor(ray);
    vec3 p = ray.origin + ray.direction * t;
    vec3 q = on_stage(p);
    float bend = 1.0;
    vec3 shadow = vec3(1.0);
    vec2 pool;
    if (t > 0.0 && q.z > WALL + CURVE - 3.0) {
        bend = 1.0 - smoothstep(WALL + CURVE - 3.0, WALL + CURVE, q.z);
        shadow = floor_shadow(p);
        pool = q.xz - vec2(-0.1, -0.5);
    } else {
        pool = vec2(0.0, -2.5);
    }
    vec3 light = mix(floor_light, wall_light, bend * 0.85);
    float glow = 1.0 / (1.0 + 0.055 * dot(pool, pool));
    o_plate = vec4(floor_albedo * light * shadow * mix(0.72, 1.06, glow), 1.0);
}
