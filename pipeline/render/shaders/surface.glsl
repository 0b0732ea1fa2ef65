// What the material says about the fragment in front of the camera (glTF 2.0 metallic-roughness).
in vec3 v_world;
in vec3 v_normal;
in vec2 v_uv0;
in vec2 v_uv1;
in vec4 v_color;
in vec4 v_tangent;
in float v_depth;

uniform vec3 eye;
uniform vec4 m_base;
uniform vec3 m_emissive;
uniform vec4 m_surface;         // metallic, roughness, clearcoat, sheen
uniform float m_specular;       // 0: unlit in the file, so it mirrors nothing
uniform float m_opacity;        // of the material as a whole: transmission
uniform int m_alpha_mode;       // 0 opaque, 1 mask, 2 blend
uniform float m_cutoff;
uniform vec2 m_strength;        // of the normal map, of the occlusion map
uniform bool has_tangents;
uniform int rank_grid;          // samples per pixel and axis: 1, 2 or 4

uniform sampler2D t_base;
uniform sampler2D t_normal;
uniform sampler2D t_metallic_roughness;
uniform sampler2D t_occlusion;
uniform sampler2D t_emissive;
uniform sampler2D t_roughness;
uniform sampler2D t_metallic;
uniform sampler2D t_opacity;
uniform int t_present;          // bit per slot, in the order above
uniform mat3 t_transform[8];
uniform int t_uv_set[8];
uniform ivec2 t_mirror[8];      // 1 where the axis wraps mirrored
uniform ivec2 t_clamp[8];

vec2 slot_uv(int slot) {
    vec2 uv = t_uv_set[slot] == 1 ? v_uv1 : v_uv0;
    uv = (t_transform[slot] * vec3(uv, 1.0)).xy;
    vec2 mirrored = 1.0 - abs(mod(uv, 2.0) - 1.0);
    return mix(uv, mirrored, vec2(t_mirror[slot]));
}

// Where the fragment's colour lies in the texture, 0..1.
vec2 wrapped_uv() {
    vec2 uv = slot_uv(0);
    vec2 outside = step(vec2(1.0), abs(uv * 2.0 - 1.0) - 1e-6);
    vec2 repeated = mix(uv, uv - floor(uv), outside);
    return mix(repeated, clamp(uv, 0.0, 1.0), vec2(t_clamp[0]));
}

bool present(int slot) { return (t_present & (1 << slot)) != 0; }

vec4 base_color() {
    vec4 color = m_base * v_color;
    if (present(0)) color *= texture(t_base, slot_uv(0));
    if (present(7)) color.a *= texture(t_opacity, slot_uv(7)).r;
    return color;
}

#if PIERCED
const float RANK[16] = float[16](0., 8., 2., 10., 12., 4., 14., 6., 3., 11., 1., 9., 15., 7., 13., 5.);
const float FAR_RANK[16] = float[16](0., 8., 2., 10., 4., 12., 6., 14., 1., 9., 3., 11., 5., 13., 7., 15.);

// Cut-outs, and screen-door transparency over the pixel's own rank_grid² samples: every pixel opens
// the same share of them, so see-through surfaces have no noise.
bool is_hole() {
    float alpha = base_color().a;
    if (m_alpha_mode == 1 && alpha < m_cutoff) return true;
    float opacity = m_opacity * (m_alpha_mode == 2 ? alpha : 1.0);
    if (rank_grid == 1) return opacity <= 0.5;
    ivec2 cell = ivec2(gl_FragCoord.xy) & (rank_grid - 1);
    // The far side of a hollow body opens other samples than its near side, half of which it has in common.
    bool far_side = !gl_FrontFacing;
    float rank = rank_grid == 2 ? float((far_side ? cell.y : cell.x) * 2 + (cell.x ^ cell.y)) / 4.0 + 0.125
                                : ((far_side ? FAR_RANK : RANK)[cell.y * 4 + cell.x] + 0.5) / 16.0;
    return opacity <= rank;
}
#endif

// Face normal towards the viewer; independent of winding and mirroring.
vec3 geometric_normal() {
    vec3 n = cross(dFdx(v_world), dFdy(v_world));
    float size = length(n);
    vec3 unit = size > 0.0 ? n / size : normalize(eye - v_world);
    return dot(unit, eye - v_world) < 0.0 ? -unit : unit;
}

vec3 shading_normal(vec3 face) {
    float size = length(v_normal);
    vec3 n = size > 1e-6 ? v_normal / size : face;
    // A vertex normal on the far side of its face belongs to the other side of a thin sheet.
    if (dot(n, face) < 0.0) n = -n;
    if (!present(1)) return n;
    vec2 uv = slot_uv(1);
#ifdef POINT_SAMPLED
    vec3 bump = textureLod(t_normal, uv, 0.0).xyz * 2.0 - 1.0;
#else
    vec3 bump = texture(t_normal, uv).xyz * 2.0 - 1.0;
#endif
    bump.xy *= m_strength.x;
    vec3 t, b;
    if (has_tangents) {
        t = v_tangent.xyz;
        b = cross(n, t) * v_tangent.w;
    } else {
        // ∂p/∂u from screen-space derivatives, made perpendicular to the normal as MikkTSpace does.
        vec3 px = dFdx(v_world), py = dFdy(v_world);
        vec2 ux = dFdx(uv), uy = dFdy(uv);
        float turn = ux.x * uy.y - ux.y * uy.x < 0.0 ? -1.0 : 1.0;
        vec3 to_u = (px * uy.y - py * ux.y) * turn, to_v = (py * ux.x - px * uy.x) * turn;
        t = to_u - n * dot(n, to_u);
        t *= inversesqrt(max(dot(t, t), 1e-30));
        b = cross(n, t);
        if (dot(b, to_v) < 0.0) b = -b;
    }
    float scale = inversesqrt(max(max(dot(t, t), dot(b, b)), 1e-20));
    // Texture v runs down, green points up.
    vec3 bent = t * scale * bump.x - b * scale * bump.y * (has_tangents ? -1.0 : 1.0) + n * bump.z;
    return normalize(mix(n, bent, step(1e-12, dot(bent, bent))));
}
