#version 330
// A seamless paper sweep: floor, quarter circle, wall, with a lamp on the paper behind the product.
#include "plate.glsl"
const float BEND = -0.9;           // where the floor starts to rise, product sizes
const float RADIUS = 2.2;

void main() {
    Ray ray = pixel_ray(gl_FragCoord.xy);
    vec3 o = on_stage(ray.origin), d = direction_on_stage(ray.direction) / product_size;
    float t = to_floor(ray);
    vec3 p = ray.origin + ray.direction * t;
    vec3 light = floor_light;
    float along, rise = 0.0;       // paper coordinate from the product backwards; 0 floor … 1 wall
    float across;
    if (t > 0.0 && on_stage(p).z > BEND) {
        vec3 q = on_stage(p);
        light = shadowed_floor(p);
        along = -q.z;
        across = q.x;
    } else {
        // Quarter cylinder about the axis (y = RADIUS, z = BEND), then the wall it runs into.
        vec2 from = o.yz - vec2(RADIUS, BEND);
        float a = dot(d.yz, d.yz), b = dot(from, d.yz), c = dot(from, from) - RADIUS * RADIUS;
        float s = (-b + sqrt(max(b * b - a * c, 0.0))) / a;
        vec3 q = o + d * s;
        if (q.y > RADIUS) {
            s = (BEND - RADIUS - o.z) / min(d.z, -1e-5);
            q = o + d * s;
            rise = 1.0;
            along = -BEND + 1.5708 * RADIUS + (q.y - RADIUS);
        } else {
            float angle = atan(BEND - q.z, RADIUS - q.y);
            rise = sin(angle) * sin(angle);
            along = -BEND + angle * RADIUS;
            vec3 flat_point = floor_centre + product_size * (stage_right * q.x + stage_front * -along);
            light = mix(shadowed_floor(flat_point), floor_light, rise);
        }
        across = q.x;
    }
    vec2 from_pool = vec2(across * 0.8, along - 1.2);
    float pool = exp(-0.16 * dot(from_pool, from_pool));
    float near = smoothstep(0.0, -2.2, along);         // the floor darkens towards the camera
    o_plate = vec4(grain(gl_FragCoord.xy) * (floor_albedo * light * mix(1.0, 0.86, rise) * mix(0.80, 1.04, pool) * mix(1.0, 0.9, near)), 1.0);
}
