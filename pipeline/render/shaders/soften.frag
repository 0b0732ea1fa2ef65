#version 330
// Average the tilted rays of a 4×4 block, along one axis, on one surface. Five taps with halved ends
// cancel whatever repeats every four pixels.
uniform sampler2D shares;
uniform sampler2D place;
uniform sampler2D face;
uniform ivec2 axis;
const float CRISP_STEP = 0.16;     // of all light
uniform float tolerance;           // metres off the surface's plane
layout(location = 0) out vec4 o_shares;

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy), last = textureSize(place, 0) - 1;
    vec4 p = texelFetch(place, here, 0);
    vec4 own = texelFetch(shares, here, 0);
    o_shares = own;
    if (p.w == 0.0 || own.a == 0.0) return;
    vec3 n = texelFetch(face, here, 0).xyz;
    vec3 sum = own.rgb;
    float weights = 1.0;
    for (int k = -2; k <= 2; ++k) {
        ivec2 at = here + axis * k;
        if (k == 0 || any(lessThan(at, ivec2(0))) || any(greaterThan(at, last))) continue;
        vec4 q = texelFetch(place, at, 0);
        if (q.w == 0.0) continue;
        float off = dot(n, q.xyz - p.xyz) / tolerance;
        // Shadows of what is close have their own sharp edges.
        float jump = (q.w - p.w) / CRISP_STEP;
        float weight = (abs(k) == 2 ? 0.5 : 1.0) * own.a * exp2(-off * off - jump * jump)
                     * smoothstep(0.6, 0.9, dot(n, texelFetch(face, at, 0).xyz));
        sum += texelFetch(shares, at, 0).rgb * weight;
        weights += weight;
    }
    o_shares.rgb = sum / weights;
}
