// A pixel as text: its value as stored, 0-255, one for each channel.
import type { Cell } from '../../draw/cell';
import type { Shape } from './stroke';

const COLOURS = ['R', 'G', 'B'];

export function pixelText(pixels: Uint8Array, [C, H, W]: Shape, { row, column }: Cell): string {
  const values = Array.from({ length: C }, (_, channel) => pixels[(channel * H + row) * W + column] ?? '');
  return C === 3 ? values.map((value, channel) => `${COLOURS[channel]} ${value}`).join(' ') : values.join(' ');
}
