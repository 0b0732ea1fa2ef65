#version 330
// Depth only: shadow maps, and the removal of hidden fragments before materials are evaluated.
#if PIERCED
#include "surface.glsl"
void main() {
    if (is_hole()) discard;
}
#else
void main() {}
#endif
