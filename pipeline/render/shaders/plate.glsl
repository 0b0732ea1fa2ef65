// What every backdrop needs: the pixel's ray, the floor's light, and the stage's own axes.
#include "floor_map.glsl"
uniform mat4 unproject;            // ndc (y down) → world
uniform vec2 frame_size;
uniform sampler2D floor_share;     // light that passes the product: of the key, of all others
uniform vec3 stage_front;          // horizontal, towards the camera
uniform vec3 stage_right;
uniform float product_size;
uniform vec3 product_light;       // mean light the product sends out, as the camera sees it; 0 leaves out its bounce
uniform vec3 floor_albedo;
uniform vec3 floor_light;          // what a white floor sends back, unshadowed
uniform vec3 wall_light;           // the same of an upright card that faces the camera
uniform vec3 key_direction;
uniform vec3 key_floor;            // the key's part of floor_light
uniform vec3 key_wall;             // and of wall_light
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

// Share of light that reaches the floor at ``p`` from the key and from all else; exactly 1 far away.
vec2 floor_open(vec3 p) {
    vec2 w = (p.xz - floor_centre.xz) / floor_reach;
    float rim = max(abs(w.x), abs(w.y));
    if (rim >= 1.0) return vec2(1.0);
    vec2 share = textureLod(floor_share, floor_coordinate(p) * 0.5 + 0.5, 0.0).rg;
    return mix(share, vec2(1.0), smoothstep(0.8, 1.0, rim));
}

const float LIT_SIDE = 0.75;       // what the floor sees of the product is darker than what the camera sees

// Where the product hides the surroundings from the floor, its own light arrives.
vec3 bounced(vec2 open) { return product_light * ((1.0 - open.y) * LIT_SIDE * open.y); }

// Light on the floor with the product's shadow in it.
vec3 shadowed_floor(vec3 p) {
    vec2 open = floor_open(p);
    return key_floor * open.x + (floor_light - key_floor) * open.y + bounced(open);
}

// Stage coordinates in product sizes: x right, y up, z towards the camera.
vec3 on_stage(vec3 p) {
    vec3 q = (p - floor_centre) / product_size;
    return vec3(dot(q, stage_right), q.y, dot(q, stage_front));
}

vec3 direction_on_stage(vec3 d) { return vec3(dot(d, stage_right), d.y, dot(d, stage_front)); }

// Fine grain of half a code value hides the steps of an 8-bit gradient.
float grain(vec2 pixel) {
    uvec2 c = uvec2(pixel);
    uint h = c.x * 0x9E3779B1u ^ c.y * 0x85EBCA77u;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    return 1.0 + (float((h ^ (h >> 15)) & 0xFFFFu) / 65535.0 - 0.5) * 0.009;
}
