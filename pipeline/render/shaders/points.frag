#version 330
#define POINT_SAMPLED
// What lies exactly under each pixel's centre; never averaged.
#include "surface.glsl"
uniform mat3 to_camera;
uniform uint instance_id;
uniform uint material_id;
uniform int first_triangle;
uniform usampler2D charts;      // one chart id per triangle, rows of CHART_ROW
layout(location = 0) out vec4 o_normal;
layout(location = 1) out vec4 o_face;
layout(location = 2) out vec4 o_depth_uv;  // depth, u, v
layout(location = 3) out uvec4 o_ids;      // instance, material, chart, 1

void main() {
#if PIERCED
    if (is_hole()) discard;
#endif
    vec3 face = geometric_normal();
    o_normal = vec4(normalize(to_camera * shading_normal(face)), 1.0);
    o_face = vec4(normalize(to_camera * face), 1.0);
    o_depth_uv = vec4(v_depth, wrapped_uv(), 1.0);
    int triangle = first_triangle + gl_PrimitiveID;
    uint chart = texelFetch(charts, ivec2(triangle % CHART_ROW, triangle / CHART_ROW), 0).r;
    o_ids = uvec4(instance_id, material_id, chart, 1u);
}
