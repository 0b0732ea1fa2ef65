#version 330
// One step of an edge-aware à-trous filter (H. Dammertz et al. 2010) over the coarse grid: carries the
// distance of blockers over a shadow's edge to its lit side, and averages what surrounds a point.
uniform sampler2D blockers;
uniform sampler2D around;
uniform sampler2D place;
uniform sampler2D face;
uniform int stride;
uniform float tolerance;           // metres off the surface's plane
uniform float vicinity;            // metres within which surfaces light each other
layout(location = 0) out vec4 o_blockers;
layout(location = 1) out vec4 o_around;

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy), last = textureSize(place, 0) - 1;
    vec4 p = texelFetch(place, here, 0);
    vec3 n = texelFetch(face, here, 0).xyz;
    vec4 sum = vec4(0.0), total = vec4(0.0);
    float weights = 0.0, near = 0.0;
    for (int y = -2; y <= 2; ++y)
        for (int x = -2; x <= 2; ++x) {
            ivec2 at = here + ivec2(x, y) * stride;
            if (any(lessThan(at, ivec2(0))) || any(greaterThan(at, last))) continue;
            vec4 q = texelFetch(place, at, 0);
            if (q.w == 0.0) continue;
            float kernel = exp2(-0.5 * float(x * x + y * y));
            vec3 between = (q.xyz - p.xyz) * p.w;      // cells beside the product take what is next to them
            float off = dot(n, between) / (tolerance * float(1 + stride));
            float weight = kernel * exp2(-off * off);
            kernel *= exp2(-dot(between, between) / (vicinity * vicinity));
            sum += texelFetch(blockers, at, 0) * weight;
            total += texelFetch(around, at, 0) * kernel;
            near += kernel;
            weights += weight;
        }
    o_blockers = sum / max(weights, 1e-6);
    o_around = near > 0.0 ? total / near : texelFetch(around, here, 0);
}
