#version 330
// Coverage only, on a 4×4 grid within every pixel.
layout(location = 0) out float o_covered;
#if PIERCED
#include "surface.glsl"
void main() {
    if (is_hole()) discard;
    o_covered = 1.0;
}
#else
void main() { o_covered = 1.0; }
#endif
