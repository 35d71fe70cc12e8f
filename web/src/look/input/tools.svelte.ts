// The tools in hand: the brush with its ink, the eraser, and the patch that takes a part of the image away.
import { fillOf, plain, type Fill } from './fills';
import { snapped, type Point, type Shape, type Tip } from './stroke';

const BRUSH = 1.2 / 28; // of the longer side: MNIST's pens
const PATCH = 6 / 28;

export class Tools {
  /** The value (0-255) of each channel that the brush leaves. */
  ink: readonly number[] = $state.raw([255, 255, 255]);
  eraser = $state(false);
  patch: 'square' | 'round' = $state('square');
  fill: Fill = $state('black');
  /** Radius of the brush and side of the patch, in pixels. */
  radius = $state(1);
  side = $state(1);
  #of: Uint8Array | null = null;
  #fills = new Map<Fill, Uint8Array>();

  /** Takes the measure of an image, once. */
  fit([, H, W]: Shape): void {
    const longer = Math.max(H, W);
    this.radius = Math.round(10 * BRUSH * longer) / 10;
    this.side = Math.max(1, Math.round(PATCH * longer));
  }

  /** What touches the image. The eraser is wider than the brush: what it is for lies beneath its middle. */
  tip(mode: 'draw' | 'erase'): Tip {
    if (mode === 'erase') return { shape: this.patch, radius: this.side / 2 };
    return { shape: 'soft', radius: this.radius * (this.eraser ? 1.5 : 1) };
  }

  /** Where the tip is when the pointer is at a place. */
  put(mode: 'draw' | 'erase', at: Point): Point {
    return mode === 'erase' ? snapped(at, this.side) : at;
  }

  /** What comes where the tip has been; `original` is the image that parts are taken from. */
  paint(mode: 'draw' | 'erase', original: Uint8Array, shape: Shape): Uint8Array {
    if (mode === 'draw') return plain(shape, this.eraser ? [0] : this.ink);
    if (this.#of !== original) this.#fills.clear();
    this.#of = original;
    const paint = this.#fills.get(this.fill) ?? fillOf(this.fill, original, shape);
    this.#fills.set(this.fill, paint);
    return paint;
  }
}
