#version 330
// A lens's depth of field by gathering over each pixel's own circle of confusion (after R. Potmesil and
// I. Chakravarty, "A Lens and Aperture Camera Model", 1981): what is sharper and nearer does not bleed outwards.
uniform sampler2D picture;         // 2×2 samples a pixel; distance in alpha
uniform vec2 frame_size;
uniform vec2 focus;                // metres: nearest and furthest that is sharp
uniform float aperture;            // pixels of blur at an infinite distance
layout(location = 0) out vec4 o_plate;
const int TAPS = 40;

float confusion(float depth) {
    float off = depth > focus.y ? (depth - focus.y) / depth : depth < focus.x ? (focus.x - depth) / depth : 0.0;
    return aperture * off;
}

float grain(vec2 pixel) {
    uvec2 c = uvec2(pixel);
    uint h = c.x * 0x9E3779B1u ^ c.y * 0x85EBCA77u;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    return float((h ^ (h >> 15)) & 0xFFFFu) / 65535.0;
}

void main() {
    vec2 at = gl_FragCoord.xy / frame_size;
    vec4 own = textureLod(picture, at, 0.0);
    float radius = confusion(own.a);
    float noise = grain(gl_FragCoord.xy);
    vec3 color = own.rgb;
    if (radius > 0.6) {
        // Each tap stands for a part of the disc; the level of detail covers it.
        float level = max(0.0, log2(2.0 * radius * 2.0 / sqrt(float(TAPS))));
        vec4 sum = vec4(textureLod(picture, at, level).rgb, 1.0);
        for (int i = 0; i < TAPS; ++i) {
            float r = radius * sqrt((float(i) + 0.5) / float(TAPS)), turn = float(i) * 2.399963 + 0.2 * noise;
            vec4 there = textureLod(picture, at + r * vec2(cos(turn), sin(turn)) / frame_size, level);
            float weight = there.a > own.a * 0.93 ? 1.0 : smoothstep(0.6, 1.0, confusion(there.a) / max(r, 0.5));
            sum += vec4(there.rgb, 1.0) * weight;
        }
        color = sum.rgb / sum.a;
    }
    o_plate = vec4(color * (1.0 + (noise - 0.5) * 0.009), 1.0);
}
