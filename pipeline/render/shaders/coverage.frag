#version 330
// Coverage only, on a 4×4 grid within every pixel.
#include "surface.glsl"
layout(location = 0) out float o_covered;

const float RANK[16] = float[16](0., 8., 2., 10., 12., 4., 14., 6., 3., 11., 1., 9., 15., 7., 13., 5.);

void main() {
    if (m_alpha_mode != 0 || m_opacity < 1.0) {
        ivec2 cell = ivec2(gl_FragCoord.xy) & 3;
        if (is_open(base_color().a, (RANK[cell.y * 4 + cell.x] + 0.5) / 16.0)) discard;
    }
    o_covered = 1.0;
}
