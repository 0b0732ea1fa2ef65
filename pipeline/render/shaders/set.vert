#version 330
// A modelled set, in the stage's axes, into the frame with y down.
in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in vec2 in_light;
in float in_panel;
uniform mat4 to_world;
uniform mat4 clip;
out vec3 v_world;
out vec3 v_normal;
out vec2 v_uv;
out vec2 v_light;
flat out int v_panel;
out float v_depth;
void main() {
    vec4 world = to_world * vec4(in_position, 1.0);
    v_world = world.xyz;
    v_normal = normalize(mat3(to_world) * in_normal);
    v_uv = in_uv;
    v_light = in_light;
    v_panel = int(in_panel + 0.5);
    gl_Position = clip * world;
    v_depth = gl_Position.w;
}
