#version 330
#include "plate.glsl"
void main() {
    Ray ray = pixel_ray(gl_FragCoord.xy);
    float t = to_floor(ray);
    vec3 p = ray.origin + ray.direction * t;
    vec3 q = on_stage(p);
    if (t > 0.0 && q.z > -2.0) o_plate = vec4(floor_albedo * floor_light * floor_shadow(p), 1.0);
    else o_plate = vec4(vec3(0.72, 0.68, 0.62) * wall_light, 1.0);
}
