#version 330
// Positions only, for passes that look at no material; the same position as mesh.vert to the last bit.
in vec3 in_position;
uniform mat4 model;
uniform mat4 clip;
invariant gl_Position;
void main() { gl_Position = clip * (model * vec4(in_position, 1.0)); }
