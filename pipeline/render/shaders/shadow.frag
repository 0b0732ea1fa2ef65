#version 330
// Cut-outs and see-through materials let their share of every light pass.
#include "surface.glsl"
const float RANK[16] = float[16](0., 8., 2., 10., 12., 4., 14., 6., 3., 11., 1., 9., 15., 7., 13., 5.);
void main() {
    ivec2 cell = ivec2(gl_FragCoord.xy) & 3;
    if (is_open(base_color().a, (RANK[cell.y * 4 + cell.x] + 0.5) / 16.0)) discard;
}
