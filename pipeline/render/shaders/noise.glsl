// Value noise and its octaves; hashes by integer mixing, so results do not depend on sin().
float lattice(ivec2 cell) {
    uint h = uint(cell.x) * 0x9E3779B1u ^ uint(cell.y) * 0x85EBCA77u;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    return float((h ^ (h >> 15)) & 0xFFFFFFu) / 16777216.0;
}

float noise(vec2 p) {
    vec2 cell = floor(p), f = p - cell;
    f = f * f * f * (f * (f * 6.0 - 15.0) + 10.0);
    ivec2 c = ivec2(cell);
    return mix(mix(lattice(c), lattice(c + ivec2(1, 0)), f.x),
               mix(lattice(c + ivec2(0, 1)), lattice(c + ivec2(1, 1)), f.x), f.y);
}

// Around 0, about -0.5 to 0.5; octaves finer than a pixel (``footprint`` in units of ``p``) fade out.
float octaves(vec2 p, int count, vec2 footprint) {
    float sum = 0.0, weight = 0.5, size = max(footprint.x, footprint.y);
    for (int i = 0; i < count; ++i) {
        sum += weight * (noise(p) - 0.5) * (1.0 - smoothstep(0.35, 1.0, size));
        p = p * 2.03 + vec2(17.3, 9.1);
        size *= 2.03;
        weight *= 0.5;
    }
    return sum;
}
