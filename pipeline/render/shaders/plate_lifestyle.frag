#version 330
// A wooden table at a plastered wall; low sun through a window on the left.
#include "plate.glsl"
#include "noise.glsl"
const float WALL = -2.1;           // product sizes behind the product
const float PLANK = 0.62;          // depth of one plank
const float PANE = 1.05;           // half the width of the sunlit pane the product stands in
const float BAR = 0.075;           // half the width of a glazing bar's shadow

float band(float x, float half_width, float soft) {
    return smoothstep(-half_width - soft, -half_width + soft, x) - smoothstep(half_width - soft, half_width + soft, x);
}

// Share of the sun that the window lets onto a point; ``soft`` is the width of its edges.
float window_light(vec3 q, float soft) {
    vec3 sun = direction_on_stage(key_direction);
    vec3 right = normalize(cross(vec3(0.0, 1.0, 0.0), sun)), up = cross(sun, right);
    vec2 w = vec2(dot(q - vec3(0.0, 0.25, 0.0), right), dot(q - vec3(0.0, 0.25, 0.0), up)) / PANE;
    w += vec2(0.06, 0.0);
    vec2 cell = abs(mod(w + 1.0, 2.0) - 1.0);          // 0 in a pane's middle, 1 on a bar
    vec2 bars = smoothstep(vec2(1.0 - BAR - soft), vec2(1.0 - BAR + soft), cell);
    float open = (1.0 - bars.x) * (1.0 - bars.y);
    // Softer than a bar, its shadow only dims.
    open = mix(open, 1.0 - 2.0 * BAR, smoothstep(0.12, 0.5, soft));
    return open * band(w.x + 1.0, 2.0, soft + 0.02) * band(w.y - 1.0, 2.0, soft + 0.02);
}

// Oak boards that run across the picture.
vec3 wood(vec2 p, vec2 pixel) {
    float board = floor(p.y / PLANK + 0.37), within = p.y / PLANK + 0.37 - board;
    float seed = lattice(ivec2(int(board), 7));
    vec2 g = vec2(p.x + seed * 31.0, p.y + seed * 5.0);
    float bend = octaves(g * vec2(0.55, 1.6), 3, pixel * vec2(0.55, 1.6));
    float lines = g.y * 9.0 + bend * 5.5;
    float ring = noise(vec2(g.x * 0.35, lines * 1.7)) - 0.5;
    float fine = octaves(vec2(g.x * 1.6, g.y * 46.0 + bend * 12.0), 3, pixel * vec2(1.6, 46.0));
    float pores = octaves(vec2(g.x * 7.0, g.y * 150.0), 2, pixel * vec2(7.0, 150.0));
    float clear = 1.0 - smoothstep(0.25, 0.9, pixel.y * 16.0);
    vec3 color = mix(vec3(0.30, 0.165, 0.078), vec3(0.46, 0.285, 0.150), clamp(0.55 + ring * 0.75 * clear + fine * 0.55, 0.0, 1.0));
    color *= (1.0 + 0.35 * pores) * mix(0.86, 1.10, seed);
    float joint = min(within, 1.0 - within) * PLANK;
    float width = max(0.006, pixel.y * 0.75);
    return color * mix(mix(0.30, 1.0, smoothstep(0.5, 1.0, pixel.y / 0.02)), 1.0, smoothstep(0.0, width, joint));
}

void main() {
    Ray ray = pixel_ray(gl_FragCoord.xy);
    vec3 o = on_stage(ray.origin), d = direction_on_stage(ray.direction) / product_size;
    vec3 other_floor = floor_light - key_floor, other_wall = wall_light - key_wall;
    // Where the ray meets the wall's plane, and where it meets the table's.
    vec3 on_wall = o + d * ((WALL - o.z) / min(d.z, -1e-5));
    float t = to_floor(ray);
    vec3 p = ray.origin + ray.direction * t;
    vec3 q = on_stage(p);

    float corner = on_wall.y;                           // height above the table's far edge
    float blur = fwidth(corner) * 2.5;                  // out of focus
    vec3 plaster = vec3(0.66, 0.60, 0.525) * (1.0 + 0.05 * octaves(on_wall.xy * 1.3, 3, vec2(0.05))
                                             + 0.035 * octaves(on_wall.xy * vec2(5.0, 4.0), 2, vec2(0.08)));
    float sun_wall = window_light(vec3(on_wall.xy, WALL), 0.09);
    float leaves = smoothstep(-0.10, 0.12, octaves(on_wall.xy * vec2(1.9, 1.7) + 3.7, 2, vec2(0.1)) + 0.045);
    vec3 wall = plaster * (other_wall + 1.5 * key_wall * sun_wall * mix(0.35, 1.0, leaves));
    wall *= 1.0 - 0.30 * exp(-max(corner, 0.0) / 0.22);
    wall *= mix(1.0, 0.80, smoothstep(0.2, 3.0, on_wall.x));   // light comes from the left

    vec3 table = wall;
    if (t > 0.0) {
        vec2 pixel = fwidth(q.xz) + vec2(0.012) * smoothstep(0.6, 2.2, -q.z);
        vec2 open = floor_open(p);
        float sun = window_light(q, 0.035 + 0.03 * max(-q.z, 0.0));
        vec3 light = key_floor * open.x * sun + other_floor * open.y;
        light *= 1.0 - 0.35 * exp(-max(q.z - WALL, 0.0) / 0.30);
        light *= mix(1.0, 0.86, smoothstep(0.0, 2.5, q.x));
        table = wood(q.xz, pixel) * light;
        // Oiled wood mirrors the bright wall at a flat angle (C. Schlick 1994).
        float flat_angle = pow(1.0 - clamp(-ray.direction.y, 0.0, 1.0), 5.0);
        table += (0.025 + 0.22 * flat_angle) * open.y * 0.55 * vec3(0.66, 0.60, 0.525) * other_wall;
    }
    o_plate = vec4(grain(gl_FragCoord.xy) * (mix(table, wall, smoothstep(-blur, blur, corner))), 1.0);
}
