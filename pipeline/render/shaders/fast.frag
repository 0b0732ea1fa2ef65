#version 330
// Base colour in code values; depth is left to the depth buffer.
#if TEXTURED
in vec2 v_uv;
uniform sampler2D t_base;
#if MIRRORED
uniform ivec2 mirrored;         // 1 where the axis wraps mirrored
#endif
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
    vec2 uv = v_uv;
#if MIRRORED
    uv = mix(uv, 1.0 - abs(mod(uv, 2.0) - 1.0), vec2(mirrored));
#endif
    color *= texture(t_base, uv);
#endif
#if COLORED
    color *= v_color;
#endif
#if PIERCED
    if (color.a < cutoff) discard;
#endif
    o_color = vec4(color.rgb, 1.0);
}
