// The stage's lights and their shadow atlas.
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
