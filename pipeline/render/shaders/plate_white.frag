#version 330
// Pure white: only the shadow is drawn.
#include "plate.glsl"
void main() {
    Ray ray = pixel_ray(gl_FragCoord.xy);
    float t = to_floor(ray);
    o_plate = vec4(t < 0.0 ? vec3(1.0) : floor_shadow(ray.origin + ray.direction * t), 1.0);
}
