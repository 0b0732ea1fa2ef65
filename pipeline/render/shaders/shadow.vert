#version 330
in vec3 in_position;
in vec2 in_uv0;
in vec2 in_uv1;
in vec4 in_color;
uniform mat4 model;
uniform mat4 light;
out vec3 v_world;
out vec3 v_normal;
out vec2 v_uv0;
out vec2 v_uv1;
out vec4 v_color;
out vec4 v_tangent;
out float v_depth;
void main() {
    v_world = (model * vec4(in_position, 1.0)).xyz;
    v_normal = vec3(0.0);
    v_tangent = vec4(0.0);
    v_depth = 0.0;
    v_uv0 = in_uv0;
    v_uv1 = in_uv1;
    v_color = in_color;
    gl_Position = light * vec4(v_world, 1.0);
}
