// The stage's lights, their shadow atlas and what a reflection sees.
layout(std140) uniform Lights {
    vec4 l_rows[MAX_LIGHTS * 3];   // world → (u, v, depth) in the light's own map
    vec4 l_direction[MAX_LIGHTS];
    vec4 l_color[MAX_LIGHTS];
    vec4 l_patch[MAX_LIGHTS];      // atlas units that a ray to the patch's rim moves aside per metre along it;
                                   // metres between depth 0 and 1; the patch's radius in radians
};
uniform int light_count;
uniform int key_count;
uniform int dome_first;

uniform int box_count;
uniform vec3 box_axis[4];
uniform vec3 box_right[4];
uniform vec3 box_up[4];
uniform vec2 box_half[4];
uniform vec3 box_radiance[4];
uniform vec3 dome_zenith;
uniform vec3 dome_horizon;
uniform vec3 dome_back;            // the horizon behind the product
uniform vec3 stage_front;          // horizontal, towards the camera
uniform vec3 floor_albedo;
uniform vec3 floor_light;          // what a white floor sends back, unshadowed
uniform float floor_y;
uniform float product_size;

// Where light number ``i`` sees ``p``: xy in the atlas (x < 0: outside its map), z depth.
vec3 in_map(int i, vec3 p) {
    vec4 q = vec4(p, 1.0);
    vec3 m = vec3(dot(l_rows[i * 3], q), dot(l_rows[i * 3 + 1], q), dot(l_rows[i * 3 + 2], q));
    if (any(lessThan(m.xy, vec2(0.0))) || any(greaterThan(m.xy, vec2(1.0)))) return vec3(-1.0);
    vec2 tile = vec2(i % ATLAS_TILES, i / ATLAS_TILES);
    float border = 2.0 / float(TILE);
    return vec3((tile + mix(vec2(border), vec2(1.0 - border), m.xy)) / float(ATLAS_TILES), min(m.z, 1.0));
}

// Drivers may form tanh() from exponentials that overflow.
float soft_step(float x, float sigma) { return 0.5 + 0.5 * tanh(clamp(1.5 * x / sigma, -8.0, 8.0)); }

// Radiance from ``d``, blurred by an angle ``sigma``: a softbox is a rectangle in its own longitude
// and latitude, so its blurred edge has a closed form and needs no prefiltered map.
vec3 box_light(int i, vec3 d, float sigma) {
    vec2 flat_part = vec2(dot(d, box_axis[i]), dot(d, box_right[i]));
    // Straight above the box every longitude is as good, but the arc tangent of 0 / 0 is undefined.
    if (dot(flat_part, flat_part) < 1e-12) flat_part.x = 1.0;
    float longitude = atan(flat_part.y, flat_part.x);
    float latitude = asin(clamp(dot(d, box_up[i]), -1.0, 1.0));
    vec2 h = box_half[i];
    float across = soft_step(longitude + h.x, sigma) - soft_step(longitude - h.x, sigma);
    float along = soft_step(latitude + h.y, sigma) - soft_step(latitude - h.y, sigma);
    return box_radiance[i] * across * along;
}

vec3 dome_light(vec3 d, float sigma, float floor_share) {
    float flat_size = max(length(d.xz), 1e-4);
    float behind = 0.5 - 0.5 * dot(d, stage_front) / flat_size;
    vec3 horizon = mix(dome_horizon, dome_back, behind);
    vec3 above = mix(horizon, dome_zenith, clamp(d.y, 0.0, 1.0));
    float up = smoothstep(-sigma - 0.02, sigma + 0.02, d.y);
    return mix(floor_albedo * floor_light * floor_share, above, up);
}
