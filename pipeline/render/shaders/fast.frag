#version 330
// Base colour in code values; depth is left to the depth buffer.
#if TEXTURED
in vec2 v_uv;
uniform sampler2D t_base;
uniform ivec2 mirrored;         // 1 where the axis wraps mirrored
#endif
#if COLORED
in vec4 v_color;
#endif
uniform vec4 base;
uniform float cutoff;
layout(location = 0) out vec4 o_color;
void main() {
    vec4 color = base;
#if TEXTURED
    color *= texture(t_base, mix(v_uv, 1.0 - abs(mod(v_uv, 2.0) - 1.0), vec2(mirrored)));
#endif
#if COLORED
    color *= v_color;
#endif
#if PIERCED
    if (color.a < cutoff) discard;
#endif
    o_color = vec4(color.rgb, 1.0);
}
