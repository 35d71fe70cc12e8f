// The shaders of the WebGL painter: one quad a tile, and for each pixel the cell under it and that cell's colour.
import { HOLE, REACH, ZERO } from './colours';
import { STRIPES } from './frame';

/** Rows of the colour texture. */
export const RAMP_ROWS = ['value', 'weight', 'probability', 'grey'] as const;
const GREY_ROW = RAMP_ROWS.indexOf('grey');

/** How many numbers describe a tile: its box; its place in the textures and the columns; rows, gain, ramp and planes; dim. */
export const INSTANCE_FLOATS = 13;

export const VERTEX = `#version 300 es
layout(location = 0) in vec4 box;      // left, top, width, height: pixels of the screen
layout(location = 1) in vec4 place;    // x, y, layer, columns
layout(location = 2) in vec4 look;     // rows, gain, row of the colours, planes
layout(location = 3) in float fading;
uniform vec2 canvas;
flat out ivec4 tile;
flat out ivec4 cells;
flat out ivec3 shown;                  // rows, row of the colours, planes
flat out float gain;
flat out float dim;

void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 at = (box.xy + corner * box.zw) / canvas;
  gl_Position = vec4(at.x * 2.0 - 1.0, 1.0 - at.y * 2.0, 0.0, 1.0);
  tile = ivec4(box);
  cells = ivec4(place);
  shown = ivec3(look.x, look.z, look.w);
  gain = look.y;
  dim = fading;
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2DArray;
uniform sampler2DArray bytes;
uniform sampler2D colours;
uniform vec3 surface;
uniform vec2 canvas;
flat in ivec4 tile;
flat in ivec4 cells;
flat in ivec3 shown;
flat in float gain;
flat in float dim;
out vec4 pixel;

int byteAt(ivec2 cell, int plane) {
  ivec3 texel = ivec3(cells.xy + cell + ivec2(0, plane * shown.x), cells.z);
  return int(texelFetch(bytes, texel, 0).r * 255.0 + 0.5);
}

void main() {
  ivec2 at = ivec2(int(gl_FragCoord.x), int(canvas.y) - 1 - int(gl_FragCoord.y));
  ivec2 cell = ((at - tile.xy) * 2 + 1) * ivec2(cells.w, shown.x) / (tile.zw * 2);
  int index = byteAt(cell, 0);
  vec3 colour;
  if (shown.z == 3) {
    colour = vec3(index, byteAt(cell, 1), byteAt(cell, 2)) / 255.0;
  } else {
    bool signed = shown.y != ${GREY_ROW};
    if (signed && index == ${HOLE} && (at.x + at.y) % ${STRIPES} >= ${STRIPES / 2}) {
      pixel = vec4(surface, 1.0);
      return;
    }
    if (signed && index != ${HOLE}) {
      float amplified = floor(float(index - ${ZERO}) * gain + ${ZERO}.5);
      index = int(clamp(amplified, ${ZERO - REACH}.0, ${ZERO + REACH}.0));
    }
    colour = texelFetch(colours, ivec2(index, shown.y), 0).rgb;
  }
  pixel = vec4(mix(colour, surface, dim), 1.0);
}`;
