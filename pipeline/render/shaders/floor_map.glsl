// The floor's own light map: fine under the product, coarse far from it.
uniform vec3 floor_centre;
uniform float floor_reach;         // metres from the centre to the map's edge
const float LAYER = 0.02;          // product sizes: height of the lowest layer of blockers
const float LAYER_STEP = 4.0;      // each next layer is that much higher
const float FINE = 0.22;           // slope of the warp at the centre

vec3 floor_point(vec2 s) {
    vec2 w = floor_reach * s * (FINE + (1.0 - FINE) * s * s);
    return floor_centre + vec3(w.x, 0.0, w.y);
}

// Inverse of the warp: the real root of (1 − FINE)·s³ + FINE·s = w.
float unwarp(float w) {
    float p = FINE / (1.0 - FINE), q = -w / (1.0 - FINE);
    return -2.0 * sqrt(p / 3.0) * sinh(asinh(1.5 * q / p * sqrt(3.0 / p)) / 3.0);
}

vec2 floor_coordinate(vec3 p) {
    vec2 w = (p.xz - floor_centre.xz) / floor_reach;
    return vec2(unwarp(w.x), unwarp(w.y));
}
