// What every backdrop needs: the floor's light under the product's shadow.
#include "floor_map.glsl"
uniform sampler2D floor_share;     // light that passes the product: of the key, of all others
uniform float product_size;
uniform vec3 product_light;        // mean light the product sends out, as the camera sees it; 0 leaves out its bounce
uniform vec3 floor_light;          // what a white floor sends back, unshadowed
uniform vec3 key_floor;            // the key's part of floor_light
layout(location = 0) out vec4 o_plate;

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
