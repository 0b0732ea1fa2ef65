#version 330
in vec3 in_position;
#if TEXTURED
in vec2 in_uv0;
in vec2 in_uv1;
uniform mat3 uv_transform;
uniform int uv_set;
out vec2 v_uv;
#endif
#if COLORED
in vec4 in_color;
out vec4 v_color;
#endif
uniform mat4 clip;
void main() {
#if TEXTURED
    v_uv = (uv_transform * vec3(uv_set == 1 ? in_uv1 : in_uv0, 1.0)).xy;
#endif
#if COLORED
    v_color = in_color;
#endif
    gl_Position = clip * vec4(in_position, 1.0);
}
