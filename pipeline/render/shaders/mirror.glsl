// What a surface of some roughness mirrors of the stage (see prefilter.py).
uniform sampler2DArray mirror_rest;    // all light but the key's; share of the lobe that meets the floor
uniform sampler2DArray mirror_key;     // the key's
uniform mat3 to_stage;
uniform float mirror_roughness[LAYERS];

// Of the direction ``d``: light of all else and share of floor; light of the key.
void mirrored(vec3 d, float roughness, out vec4 rest, out vec3 key) {
    vec3 s = to_stage * d;
    vec2 at = vec2(atan(s.x, -s.z) * 0.15915494 + 0.5, acos(clamp(s.y, -1.0, 1.0)) * 0.31830989);
    int layer = 0;
    while (layer < LAYERS - 2 && roughness > mirror_roughness[layer + 1]) ++layer;
    float low = mirror_roughness[layer], high = mirror_roughness[layer + 1];
    float part = clamp((roughness - low) / (high - low), 0.0, 1.0);
    // Levels of detail cannot be derived across the seam behind the stage; there are none.
    rest = mix(textureLod(mirror_rest, vec3(at, float(layer)), 0.0),
               textureLod(mirror_rest, vec3(at, float(layer + 1)), 0.0), part);
    key = mix(textureLod(mirror_key, vec3(at, float(layer)), 0.0).rgb,
              textureLod(mirror_key, vec3(at, float(layer + 1)), 0.0).rgb, part);
}
