// Fills: what comes where something is painted or erased, as an image of its own.
import type { Shape } from './stroke';

export type Fill = 'black' | 'mean' | 'blur';

const BLUR = 0.09; // the blur's sigma as a share of the longer side: 2.5 pixels of 28, wide enough to melt a pen's stroke
const REACH = 3; // sigmas that the blur looks away

/** An image of one colour; `colour` has a value (0-255) for each channel. */
export function plain([C, H, W]: Shape, colour: readonly number[]): Uint8Array {
  const pixels = new Uint8Array(C * H * W);
  for (let channel = 0; channel < C; channel++) {
    pixels.fill(colour[channel] ?? colour[0] ?? 0, channel * H * W, (channel + 1) * H * W);
  }
  return pixels;
}

/** What an erased part becomes: nothing, the image's mean colour, or the image without its details. */
export function fillOf(fill: Fill, pixels: Uint8Array, shape: Shape): Uint8Array {
  if (fill === 'black') return new Uint8Array(pixels.length);
  return fill === 'mean' ? plain(shape, meanColour(pixels, shape)) : blurred(pixels, shape);
}

function meanColour(pixels: Uint8Array, [C, H, W]: Shape): number[] {
  return Array.from({ length: C }, (_, channel) => {
    const plane = pixels.subarray(channel * H * W, (channel + 1) * H * W);
    return Math.round(plane.reduce((sum, value) => sum + value, 0) / (H * W));
  });
}

/** The image under a Gaussian blur; at an edge only what is there counts. */
export function blurred(pixels: Uint8Array, [C, H, W]: Shape): Uint8Array {
  const weights = gaussian(BLUR * Math.max(H, W));
  const along = new Float32Array(pixels.length);
  blurAlong(pixels, along, weights, { lines: C * H, length: W, stride: 1, next: (line) => line * W });
  const both = new Float32Array(pixels.length);
  const next = (line: number): number => Math.floor(line / W) * H * W + (line % W);
  blurAlong(along, both, weights, { lines: C * W, length: H, stride: W, next });
  return Uint8Array.from(both, Math.round);
}

/** The lines of an image in one direction: where each begins, how far its values lie apart, and how many it has. */
interface Lines {
  lines: number;
  length: number;
  stride: number;
  next: (line: number) => number;
}

function blurAlong(from: ArrayLike<number>, to: Float32Array, weights: Float64Array, lines: Lines): void {
  const reach = (weights.length - 1) / 2;
  for (let line = 0; line < lines.lines; line++) {
    const start = lines.next(line);
    for (let at = 0; at < lines.length; at++) {
      let [sum, all] = [0, 0];
      for (let other = Math.max(0, at - reach); other <= Math.min(lines.length - 1, at + reach); other++) {
        const weight = weights[other - at + reach] as number;
        sum += weight * (from[start + other * lines.stride] as number);
        all += weight;
      }
      to[start + at * lines.stride] = sum / all;
    }
  }
}

function gaussian(sigma: number): Float64Array {
  const reach = Math.ceil(REACH * sigma);
  return Float64Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-(((k - reach) / sigma) ** 2) / 2));
}

/** Dark for light. */
export const inverted = (pixels: Uint8Array): Uint8Array => pixels.map((value) => 255 - value);

export const same = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((value, at) => value === other[at]);
