// Where a sample of the 2×2 supersampled frame lies, and how it faces.
uniform sampler2D g_normal;
uniform sampler2D g_face;
uniform sampler2D g_depth;
uniform mat4 unproject;            // ndc of the cropped frame → world
uniform vec2 frame_samples;        // size of the 2×2 supersampled frame
uniform float texel;               // metres of a shadow map's texel

// What the camera sees is open towards the camera at least: this much of one light of the dome.
const float CAMERA_SHARE = 0.8;

float seen_by_camera(vec3 n, vec3 v) { return CAMERA_SHARE * max(dot(n, v), 0.0); }

vec3 sample_place(ivec2 at) {
    vec4 world = unproject * vec4((vec2(at) + 0.5) / frame_samples * 2.0 - 1.0,
                                  texelFetch(g_depth, at, 0).r * 2.0 - 1.0, 1.0);
    return world.xyz / world.w;
}

vec3 sample_normal(ivec2 at) { return normalize(texelFetch(g_normal, at, 0).xyz); }

vec3 sample_face(ivec2 at) { return normalize(texelFetch(g_face, at, 0).xyz); }
