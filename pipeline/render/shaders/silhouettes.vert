#version 330
// One instance a tile: the mesh through that tile's camera, cut at the tile's border.
in vec3 in_position;
in vec4 row_x;
in vec4 row_y;
in vec4 row_w;
in vec2 tile;
uniform float tiles;
out float gl_ClipDistance[4];
void main() {
    vec4 p = vec4(in_position, 1.0);
    float x = dot(row_x, p), y = dot(row_y, p), w = dot(row_w, p);
    gl_ClipDistance[0] = w + x;
    gl_ClipDistance[1] = w - x;
    gl_ClipDistance[2] = w + y;
    gl_ClipDistance[3] = w - y;
    // Depth is of no interest: only whether anything covers a pixel.
    vec2 centre = (2.0 * tile + 1.0) / tiles - 1.0;
    gl_Position = vec4(vec2(x, -y) / tiles + centre * w, 0.0, w);
}
