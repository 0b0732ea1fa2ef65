#version 330
// Vertices of the product into the cropped frame. ``clip`` flips y, so that row 0 is the image's top.
in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv0;
in vec2 in_uv1;
in vec4 in_color;
in vec4 in_tangent;

uniform mat4 model;
uniform mat4 view;
uniform mat4 clip;          // crop · projection · view
uniform mat3 normal_matrix; // mesh → world

out vec3 v_world;
out vec3 v_normal;
out vec2 v_uv0;
out vec2 v_uv1;
out vec4 v_color;
out vec4 v_tangent;
out float v_depth;
invariant gl_Position;

void main() {
    vec4 world = model * vec4(in_position, 1.0);
    v_world = world.xyz;
    v_normal = normal_matrix * in_normal;
    v_tangent = vec4(mat3(model) * in_tangent.xyz, in_tangent.w);
    v_uv0 = in_uv0;
    v_uv1 = in_uv1;
    v_color = in_color;
    v_depth = -(view * world).z;
    gl_Position = clip * (model * vec4(in_position, 1.0));
}
