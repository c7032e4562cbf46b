"""The GLSL programs."""

from __future__ import annotations

VERTEX = """\
#version 330
in vec3 position;
in vec3 normal;
in vec2 uv;
in vec3 color;
uniform mat4 clip_from_world;
uniform mat4 light_from_world;
uniform vec2 bend;
out vec3 v_normal;
out vec2 v_uv;
out vec3 v_color;
out vec3 v_world;
out vec4 v_light;

void main() {
    // The street curves: a parabola to the side and one up or down.
    vec3 world = position;
    world.x += bend.x * position.z * position.z;
    world.y += bend.y * position.z * position.z;
    v_normal = normal;
    v_uv = uv;
    v_color = color;
    v_world = world;
    v_light = light_from_world * vec4(world, 1);
    gl_Position = clip_from_world * vec4(world, 1);
}
"""

SURFACE = """\
#version 450
in vec3 v_normal;
in vec2 v_uv;
in vec3 v_color;
in vec3 v_world;
in vec4 v_light;
uniform sampler2D surface;
uniform sampler2D shadow_map;
uniform int label;
uniform int flat_picture;
uniform float gloss;
uniform vec3 sun;
uniform vec3 sun_color;
uniform vec3 ambient;
uniform vec3 horizon;
uniform float fog;
uniform vec3 eye;
layout(location = 0) out vec4 out_color;
layout(location = 1) out vec4 out_label;

// Share of the neighborhood in the shadow map that lies nearer to the sun.
float shadow() {
    vec3 at = v_light.xyz / v_light.w * .5 + .5;
    float sum = 0.;
    if (at.x > 0. && at.x < 1. && at.y > 0. && at.y < 1. && at.z < 1.) {
        for (int i = -1; i <= 1; i++)
            for (int j = -1; j <= 1; j++)
                sum += texture(shadow_map, at.xy + vec2(i, j) / SHADOW_SIZE).r
                    < at.z - .0022 ? 1. : 0.;
        sum /= 9.;
    }
    return sum;
}

// The texture's color; its mean where a pixel's footprint is extremely long. All four
// pixels of a quad must take the same way: the texture unit looks at their differences.
vec4 sampled() {
    vec2 size = vec2(textureSize(surface, 0));
    vec2 dx = dFdx(v_uv) * size, dy = dFdy(v_uv) * size;
    float wide = max(dot(dx, dx), dot(dy, dy));
    float narrow = max(1., min(dot(dx, dx), dot(dy, dy)));
    float here = wide < MAX_STRETCH * MAX_STRETCH * narrow ? 0. : 1.;
    float row = here + abs(dFdxFine(here)) > 0. ? 1. : 0.;
    bool stretched = row + abs(dFdyFine(row)) > 0.;
    vec4 texel = texture(surface, stretched ? vec2(0) : v_uv);
    if (stretched)
        texel = texelFetch(surface, ivec2(0), int(log2(max(size.x, size.y))));
    return texel;
}

void main() {
    vec4 texel = sampled();
    if (texel.a < 0.5) discard;
    vec3 n = normalize(v_normal);
    float shade = shadow();
    float diffuse = max(dot(n, sun), 0.);
    if (flat_picture == 1) diffuse = .65;
    diffuse *= 1. - shade * .9;
    // Colors are squares of what is stored: a gamma of 2.
    vec3 lit = texel.rgb * v_color;
    lit = lit * lit * (ambient * (.7 + .3 * n.y) + sun_color * diffuse);
    vec3 view = normalize(eye - v_world);
    if (gloss > 0.) {
        vec3 mirrored = reflect(-view, n);
        lit += gloss * (
            horizon * horizon * pow(1. - max(dot(n, view), 0.), 3.) * .6
            + sun_color * pow(max(dot(mirrored, sun), 0.), 40.) * (1. - shade)
        );
    }
    float lost = 1. - exp(-length(eye - v_world) * fog);
    lit = mix(lit, horizon * horizon, lost);
    out_color = vec4(sqrt(clamp(lit, 0., 1.)), 1.);
    out_label = vec4(float(label) / 255., 0, 0, 1);
}
"""

DEPTH = """\
#version 330
in vec2 v_uv;
uniform sampler2D surface;

void main() {
    if (texture(surface, v_uv).a < .5) discard;
}
"""

SKY_VERTEX = """\
#version 330
in vec2 corner;
out vec2 v_corner;

void main() {
    v_corner = corner;
    gl_Position = vec4(corner, .99999, 1);
}
"""

SKY = """\
#version 330
in vec2 v_corner;
uniform vec3 zenith;
uniform vec3 horizon;
uniform float clouds;
uniform float seed;
uniform mat4 direction_from_clip;
layout(location = 0) out vec4 out_color;
layout(location = 1) out vec4 out_label;

float hash(vec2 p) {
    return fract(sin(dot(p, vec2(127.1, 311.7)) + seed) * 43758.5453);
}

float noise(vec2 p) {
    vec2 i = floor(p), f = fract(p);
    f = f * f * (3. - 2. * f);
    return mix(
        mix(hash(i), hash(i + vec2(1, 0)), f.x),
        mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), f.x),
        f.y
    );
}

void main() {
    vec4 q = direction_from_clip * vec4(v_corner, 1, 1);
    vec3 d = normalize(q.xyz / q.w);
    vec3 c = mix(horizon, zenith, pow(max(d.y, 0.), .55));
    // Clouds on a plane above, six octaves of noise.
    vec2 p = d.xz / (d.y + .12) * 1.3;
    float sum = 0., weight = .5;
    for (int i = 0; i < 6; i++) {
        sum += weight * noise(p);
        p *= 2.1;
        weight *= .5;
    }
    float cloud = smoothstep(1. - clouds, 1.25 - clouds, sum + .25);
    vec3 white = mix(vec3(.98), horizon * .8, .35 * sum);
    c = mix(c, white, cloud * smoothstep(0., .12, d.y));
    out_color = vec4(c, 1);
    out_label = vec4(0, 0, 0, 1);
}
"""
