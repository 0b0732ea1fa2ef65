#version 330
// Light every sample of a pixel and average: the filtered passes. Averages of base, light and
// specular are over covered samples (not premultiplied); only the product is multiplied by coverage.
#include "lights.glsl"
uniform sampler2D g_base;
uniform sampler2D g_normal;
uniform sampler2D g_face;
uniform sampler2D g_emissive;
uniform sampler2D g_coat;
uniform sampler2D g_depth;
uniform sampler2D coverage;        // 4×4 samples per pixel
uniform sampler2DShadow atlas;
uniform mat4 unproject;            // ndc of the cropped frame → world
uniform vec2 frame_samples;        // size of the 2×2 supersampled frame
uniform vec3 eye;
uniform float texel;               // metres of a shadow map's texel

layout(location = 0) out vec4 o_product;   // rgb · coverage, coverage
layout(location = 1) out vec4 o_base;      // rgb, share of the key light
layout(location = 2) out vec4 o_albedo;    // rgb, share of the surroundings
layout(location = 3) out vec4 o_specular;
layout(location = 4) out vec4 o_emissive;
layout(location = 5) out vec4 o_diffuse;

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

vec3 reflected(vec3 d, float roughness, float ao, float key, float cosine, float floor_share) {
    float sigma = max(0.012, 0.9 * roughness * roughness);
    float open = specular_occlusion(cosine, ao, roughness);
    vec3 light = dome_light(d, sigma, floor_share) * open;
    for (int i = 0; i < box_count; ++i) light += box_light(i, d, sigma) * (i == 0 ? mix(open, key, 0.6) : open);
    return light;
}

void add_sample(ivec2 at, inout Sums sums) {
    vec4 base = texelFetch(g_base, at, 0);
    if (base.a == 0.0) return;
    vec4 normal_roughness = texelFetch(g_normal, at, 0);
    vec4 face_occlusion = texelFetch(g_face, at, 0);
    vec4 emissive_metallic = texelFetch(g_emissive, at, 0);
    vec4 coat = texelFetch(g_coat, at, 0);
    vec3 n = normalize(normal_roughness.xyz), face = normalize(face_occlusion.xyz);
    float roughness = normal_roughness.w, metallic = emissive_metallic.w;
    vec4 world = unproject * vec4((vec2(at) + 0.5) / frame_samples * 2.0 - 1.0,
                                  texelFetch(g_depth, at, 0).r * 2.0 - 1.0, 1.0);
    vec3 p = world.xyz / world.w;
    vec3 v = normalize(eye - p);

    // One of four light subsets per sample; the pixel's average sees them all.
    int subset = (at.x & 1) + 2 * (at.y & 1);
    vec3 lifted = p + face * texel * 1.5;
    vec3 key = vec3(0.0), rest = vec3(0.0);
    float key_open = 0.0, key_all = 1e-6, dome_open = 0.0, dome_all = 1e-6;
    for (int i = subset; i < light_count; i += 4) {
        float cosine = dot(n, l_direction[i].xyz);
        if (cosine <= 0.0) continue;
        vec3 m = in_map(i, lifted);
        float seen = m.x < 0.0 ? 1.0 : textureLod(atlas, m, 0.0);
        vec3 light = l_color[i].rgb * cosine;
        if (i < key_count) { key += light * seen; key_open += cosine * seen; key_all += cosine; }
        else rest += light * seen;
        if (i >= dome_first) { dome_open += cosine * seen; dome_all += cosine; }
    }
    float visibility = key_all < 1e-5 ? 0.0 : key_open / key_all;
    float ao = dome_all < 1e-5 ? 1.0 : dome_open / dome_all;
    // The floor sends light up, less of it where the product's own shadow lies.
    float height = clamp((p.y - floor_y) / (0.22 * product_size), 0.0, 1.0);
    float floor_share = mix(0.15, 0.75, smoothstep(0.0, 1.0, height));
    vec3 bounce = floor_albedo * floor_light * (0.5 - 0.5 * n.y) * floor_share * mix(0.45, 1.0, ao);
    float baked = face_occlusion.w;
    vec3 diffuse_light = 4.0 * (key + rest * mix(1.0, baked, 0.7)) + bounce * baked;

    float cosine = max(dot(n, v), 1e-3);
    vec3 f0 = mix(vec3(0.04), base.rgb, metallic);
    vec2 brdf = environment_brdf(roughness, cosine);
    vec3 r = reflect(-v, n);
    float closed = ao * baked;
    vec3 specular = reflected(r, roughness, closed, visibility, cosine, floor_share) * (f0 * brdf.x + brdf.y);
    vec3 albedo = base.rgb * (1.0 - metallic);
    float transmitted = 1.0 - (0.04 * brdf.x + brdf.y);
    // Cloth: fibres catch light at grazing angles.
    specular += coat.y * 0.35 * pow(1.0 - cosine, 3.0) * sqrt(base.rgb) * diffuse_light;
    float coat_fresnel = coat.x * (0.04 + 0.96 * pow(1.0 - cosine, 5.0));
    specular = specular * (1.0 - coat_fresnel)
             + coat_fresnel * reflected(r, 0.12, closed, visibility, cosine, floor_share);
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
