#version 330
// Pure white: only the shadow is drawn, as a share of the light that would be there.
#include "plate.glsl"
uniform mat4 unproject;            // ndc (y down) → world
uniform vec2 frame_size;
uniform float edge_fade;           // of the picture's shorter side, over which the shadow ends; 0: it does not
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

void main() {
    Ray ray = pixel_ray(gl_FragCoord.xy);
    float t = to_floor(ray);
    if (t < 0.0) {
        o_plate = vec4(1.0);
        return;
    }
    vec3 p = ray.origin + ray.direction * t;
    vec2 open = floor_open(p);
    // One minus what is missing, so that no shadow is exactly 1.
    vec3 missing = (key_floor * (1.0 - open.x) + (floor_light - key_floor) * (1.0 - open.y) - bounced(open)) / floor_light;
    // Nothing is left of it at the picture's edges, whatever the picture is cropped to.
    vec2 inside = min(gl_FragCoord.xy, frame_size - gl_FragCoord.xy) / min(frame_size.x, frame_size.y);
    vec2 lost = edge_fade > 0.0 ? 1.0 - clamp((inside - 0.004) / edge_fade, 0.0, 1.0) : vec2(0.0);
    vec2 kept = 1.0 - lost * lost;
    o_plate = vec4(1.0 - missing * kept.x * kept.y, 1.0);
}
