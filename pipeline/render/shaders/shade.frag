#version 330
// Light every sample of a pixel and average: the filtered passes. Averages of base, light and
// specular are over covered samples (not premultiplied); only the product is multiplied by coverage.
#include "lights.glsl"
#include "sample.glsl"
#include "mirror.glsl"
uniform sampler2D g_base;
uniform sampler2D g_emissive;
uniform sampler2D g_coat;
uniform sampler2D coverage;        // 4×4 samples per pixel
uniform sampler2D shares;          // see shadow.frag; softened
uniform sampler2D place;
uniform sampler2D face;
uniform sampler2D behind;
uniform sampler2D around;          // mean albedo and openness around a point, on a coarse grid
uniform sampler2D cells;           // its places
uniform vec3 eye;
uniform float tolerance;           // metres off a surface's plane
uniform float indirect;            // 1; 0 leaves out all light that met a surface before

layout(location = 0) out vec4 o_product;   // rgb · coverage, coverage
layout(location = 1) out vec4 o_base;      // rgb, share of the key light
layout(location = 2) out vec4 o_albedo;    // rgb, share of the surroundings
layout(location = 3) out vec4 o_specular;
layout(location = 4) out vec4 o_emissive;
layout(location = 5) out vec4 o_diffuse;

const float FLOOR_NEAR = 0.75, FLOOR_FAR = 1.0;   // share of a floor's light at the floor, and well above it
const float ENCLOSED = 0.30;         // light inside a cavity at its mouth, of that on an open floor

struct Sums { vec3 radiance, base, albedo, specular, emissive; float visibility, ao, count; };

// Environment BRDF: B. Karis, "Physically Based Shading on Mobile" (2014).
vec2 environment_brdf(float roughness, float cosine) {
    vec4 r = roughness * vec4(-1.0, -0.0275, -0.572, 0.022) + vec4(1.0, 0.0425, 1.04, -0.04);
    float a = min(r.x * r.x, exp2(-9.28 * cosine)) * r.x + r.y;
    return vec2(-1.04, 1.04) * a + r.zw;
}

// S. Lagarde and C. de Rousiers, "Moving Frostbite to PBR" (2014).
float specular_occlusion(float cosine, float ao, float roughness) {
    return clamp(pow(cosine + ao, exp2(-16.0 * roughness - 1.0)) - 1.0 + ao, 0.0, 1.0);
}

// Rough lobes lean towards the normal (S. Lagarde and C. de Rousiers 2014).
vec3 leaned(vec3 n, vec3 r, float roughness) {
    float smoothness = 1.0 - roughness;
    return normalize(mix(n, r, smoothness * (sqrt(smoothness) + roughness)));
}

vec3 reflected(vec3 n, vec3 v, float roughness, float ao, float key_open, float cosine, float floor_share, vec3 walls) {
    float open = specular_occlusion(cosine, ao, roughness);
    vec4 rest;
    vec3 key;
    mirrored(leaned(n, reflect(-v, n), roughness), roughness, rest, key);
    vec3 light = (rest.rgb + floor_albedo * floor_light * (rest.a * floor_share)) * open + walls * (1.0 - open);
    return light + key * mix(open, key_open, 0.6);
}

// Light that a closed direction sends: of walls with this albedo, as open as what is around, and all their
// bounces (the geometric series behind J. Jimenez et al., "Practical Realtime Strategies for Accurate
// Indirect Occlusion", 2016). Narrow gaps are as dark as they are closed.
vec3 from_walls(float ao, vec4 near) {
    float open = min(near.a, ao + 0.05);
    vec3 albedo = near.rgb * min(1.0, 0.8 / max(max(near.r, near.g), max(near.b, 1e-3)));
    return ENCLOSED * floor_light * albedo * open / (1.0 - albedo * (1.0 - open));
}

// Shares of light of the pixel's surface, or of the one behind it; share of crisp shadow.
vec4 shares_at(ivec2 pixel, vec3 p) {
    vec4 middle = texelFetch(place, pixel, 0);
    float off = dot(texelFetch(face, pixel, 0).xyz, p - middle.xyz);
    return abs(off) > tolerance ? texelFetch(behind, pixel, 0)
                                : vec4(texelFetch(shares, pixel, 0).rgb, max(middle.w - 1.0, 0.0));
}

// What surrounds a sample, from the cells of its own surface.
vec4 surroundings(ivec2 at, vec3 p, vec3 n) {
    vec2 cell = (vec2(at) + 0.5) / (2.0 * COARSE) - 0.5;
    ivec2 base = ivec2(floor(cell)), last = textureSize(cells, 0) - 1;
    vec2 f = cell - vec2(base);
    vec4 sum = vec4(0.0);
    float weights = 0.0;
    for (int k = 0; k < 4; ++k) {
        ivec2 corner = ivec2(k & 1, k >> 1), q = clamp(base + corner, ivec2(0), last);
        vec2 side = mix(1.0 - f, f, vec2(corner));
        vec4 there = texelFetch(cells, q, 0);
        float off = there.w == 0.0 ? 4.0 : dot(n, there.xyz - p) / (8.0 * tolerance);
        float weight = (side.x * side.y + 1e-3) * (exp2(-off * off) + 1e-5);
        sum += weight * texelFetch(around, q, 0);
        weights += weight;
    }
    return sum / weights;
}

void add_sample(ivec2 at, inout Sums sums) {
    vec4 base = texelFetch(g_base, at, 0);
    if (base.a == 0.0) return;
    vec4 normal_roughness = texelFetch(g_normal, at, 0);
    vec4 face_occlusion = texelFetch(g_face, at, 0);
    vec4 emissive_metallic = texelFetch(g_emissive, at, 0);
    vec4 coat = texelFetch(g_coat, at, 0);
    vec3 n = sample_normal(at), p = sample_place(at);
    float roughness = normal_roughness.w, metallic = emissive_metallic.w;
    vec3 v = normalize(eye - p);

    // Unshadowed: one of four light subsets per sample; the pixel's average sees them all.
    vec3 key = vec3(0.0), rest = vec3(0.0);
    for (int i = (at.x & 1) + 2 * (at.y & 1); i < light_count; i += 4) {
        // A patch of the stage sets gradually: without it, each light's terminator shows as a band.
        float cosine = dot(n, l_direction[i].xyz), half_width = l_patch[i].w, part = cosine + half_width;
        float lambert = part <= 0.0 ? 0.0 : part < 2.0 * half_width ? part * part / (4.0 * half_width) : cosine;
        // Over all directions that is 1 + half_width² / 3 times what a cosine gives.
        vec3 light = l_color[i].rgb * lambert / (1.0 + half_width * half_width / 3.0);
        if (i < key_count) key += light; else rest += light;
    }
    vec4 open = shares_at(at >> 1, p);
    float visibility = open.x, ao = open.z;
    // The floor sends light up, less of it where the product's own shadow lies.
    float height = clamp((p.y - floor_y) / (0.22 * product_size), 0.0, 1.0);
    float floor_share = indirect * mix(FLOOR_NEAR, FLOOR_FAR, smoothstep(0.0, 1.0, height)) * smoothstep(0.4, 0.95, ao);
    vec3 bounce = floor_albedo * floor_light * (0.5 - 0.5 * n.y) * floor_share;
    float baked = face_occlusion.w;
    float closed = ao * baked;
    // What is close enough to shadow crisply lies in the same dark gap and sends nothing.
    vec3 walls = from_walls(closed, surroundings(at, p, sample_face(at))) * (indirect * (1.0 - open.w) * (1.0 - open.w));
    vec3 diffuse_light = 4.0 * (key * visibility + rest * open.y * mix(1.0, baked, 0.7)) + bounce * baked
                       + walls * (1.0 - closed);

    // Rounding may bring the cosine above 1, and a negative base of pow() is not a number.
    float cosine = clamp(dot(n, v), 1e-3, 1.0);
    vec3 f0 = mix(vec3(0.04 * coat.z), base.rgb, metallic);
    vec2 brdf = environment_brdf(roughness, cosine);
    // What one bounce between the facets loses, further ones return (C. Fdez-Agüera, "A Multiple-Scattering
    // Microfacet Model for Real-Time Image-based Lighting", 2019); what is mirrored is not scattered.
    vec3 energy = (f0 * brdf.x + brdf.y * max(coat.z, metallic)) * (1.0 + f0 * (1.0 / (brdf.x + brdf.y) - 1.0));
    vec3 specular = energy * reflected(n, v, roughness, closed, visibility, cosine, floor_share, walls);
    vec3 albedo = base.rgb * (1.0 - metallic);
    vec3 transmitted = 1.0 - clamp(energy, 0.0, 1.0);
    // Cloth: fibres catch light at grazing angles.
    specular += coat.y * 0.35 * pow(1.0 - cosine, 3.0) * sqrt(base.rgb) * diffuse_light;
    float coat_fresnel = coat.x * (0.04 + 0.96 * pow(1.0 - cosine, 5.0));
    if (coat_fresnel > 0.0)
        specular = specular * (1.0 - coat_fresnel)
                 + coat_fresnel * reflected(n, v, 0.12, closed, visibility, cosine, floor_share, walls);
    vec3 emissive = emissive_metallic.rgb;

    sums.radiance += albedo * diffuse_light * transmitted * (1.0 - coat_fresnel) + specular + emissive;
    sums.base += base.rgb;
    sums.albedo += albedo;
    sums.specular += specular;
    sums.emissive += emissive;
    sums.visibility += visibility;
    sums.ao += ao;
    sums.count += 1.0;
}

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    float covered = 0.0;
    for (int y = 0; y < 4; ++y)
        for (int x = 0; x < 4; ++x) covered += texelFetch(coverage, pixel * 4 + ivec2(x, y), 0).r;
    float alpha = covered / 16.0;
    Sums sums = Sums(vec3(0.0), vec3(0.0), vec3(0.0), vec3(0.0), vec3(0.0), 0.0, 0.0, 0.0);
    if (alpha > 0.0) {
        for (int s = 0; s < 4; ++s) add_sample(pixel * 2 + ivec2(s & 1, s >> 1), sums);
        if (sums.count == 0.0) {
            // Thinner than a quarter of a pixel: the colour of the samples around it.
            for (int y = -1; y < 3; ++y)
                for (int x = -1; x < 3; ++x)
                    if (x < 0 || x > 1 || y < 0 || y > 1) add_sample(pixel * 2 + ivec2(x, y), sums);
        }
        if (sums.count == 0.0) alpha = 0.0;
    }
    float share = 1.0 / max(sums.count, 1.0);
    vec3 radiance = sums.radiance * share, albedo = sums.albedo * share;
    vec3 specular = sums.specular * share, emissive = sums.emissive * share;
    o_product = vec4(radiance * alpha, alpha);
    o_base = vec4(sums.base * share, sums.visibility * share);
    o_albedo = vec4(albedo, sums.ao * share);
    o_specular = vec4(specular, 1.0);
    o_emissive = vec4(emissive, 1.0);
    o_diffuse = vec4(max(radiance - specular - emissive, 0.0) / max(albedo, vec3(1e-3)), 1.0);
}
