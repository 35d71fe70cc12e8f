// A stroke: what a brush or a patch leaves on an image as it is moved over it. Input making: no network computes here.

/** A place on the image in pixels: the middle of the first pixel is at 0.5, 0.5. */
export interface Point {
  x: number;
  y: number;
}

/** What touches the image: a soft brush, or a patch with a sharp edge; `radius` in pixels. */
export interface Tip {
  shape: 'soft' | 'round' | 'square';
  radius: number;
}

export type Shape = readonly [C: number, H: number, W: number];

const SOFT_REACH = 2; // radii; beyond, a soft brush covers less than a shade of 255
const BOTH_ENDS = [0, 1];

/** How much a tip covers of a pixel whose middle is `distance` away, 0-1. A soft one covers a half at its radius. */
export function coverage({ shape, radius }: Tip, distance: number): number {
  if (shape === 'soft') return 2 ** -((distance / radius) ** 4);
  return distance < radius ? 1 : 0;
}

/** How far a place is from the straight way between two others. */
export function distanceToWay(at: Point, from: Point, to: Point): number {
  const [vx, vy] = [to.x - from.x, to.y - from.y];
  const length = vx * vx + vy * vy;
  const share = length === 0 ? 0 : ((at.x - from.x) * vx + (at.y - from.y) * vy) / length;
  const t = Math.min(1, Math.max(0, share));
  return Math.hypot(at.x - from.x - t * vx, at.y - from.y - t * vy);
}

/**
 * The same by the larger of both differences, as a square has it. Along the way that is convex and made of straight pieces,
 * so that its least value lies at an end or where two pieces meet.
 */
export function squareDistanceToWay(at: Point, from: Point, to: Point): number {
  const [dx, dy] = [at.x - from.x, at.y - from.y];
  const [vx, vy] = [to.x - from.x, to.y - from.y];
  const meets = [dx / vx, dy / vy, (dx - dy) / (vx - vy), (dx + dy) / (vx + vy)];
  const places = [...BOTH_ENDS, ...meets.filter((t) => t > 0 && t < 1)];
  return Math.min(...places.map((t) => Math.max(Math.abs(dx - t * vx), Math.abs(dy - t * vy))));
}

export class Stroke {
  readonly #covered: Float32Array;
  #last: Point | null = null;

  /**
   * @param before the image, planar (C, H, W); it is not changed
   * @param paint what comes in its place where the tip has been, of the same shape
   */
  constructor(
    readonly before: Uint8Array,
    readonly paint: Uint8Array,
    readonly shape: Shape,
    readonly tip: Tip,
  ) {
    this.#covered = new Float32Array(shape[1] * shape[2]);
  }

  /** Moves the tip straight to a place; the first place is where it is set down. */
  move(to: Point): void {
    const from = this.#last ?? to;
    this.#last = to;
    const [, H, W] = this.shape;
    const reach = this.tip.radius * (this.tip.shape === 'soft' ? SOFT_REACH : 1);
    const distance = this.tip.shape === 'square' ? squareDistanceToWay : distanceToWay;
    const [top, bottom] = within(from.y, to.y, reach, H);
    const [left, right] = within(from.x, to.x, reach, W);
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const place = row * W + column;
        const covered = coverage(this.tip, distance({ x: column + 0.5, y: row + 0.5 }, from, to));
        // The most that it was covered, not the sum: how densely the pointer is told must not matter.
        if (covered > (this.#covered[place] as number)) this.#covered[place] = covered;
      }
    }
  }

  /** The image with the stroke on it, new each time. */
  pixels(): Uint8Array {
    const [C] = this.shape;
    const size = this.#covered.length;
    const pixels = this.before.slice();
    for (let place = 0; place < size; place++) {
      const covered = this.#covered[place] as number;
      if (covered === 0) continue;
      for (let at = place; at < C * size; at += size) {
        const old = this.before[at] as number;
        pixels[at] = Math.round(old + covered * ((this.paint[at] as number) - old));
      }
    }
    return pixels;
  }
}

/** The first row (or column) in reach of a way, and the one after the last. */
function within(from: number, to: number, reach: number, count: number): [number, number] {
  const least = Math.floor(Math.min(from, to) - reach);
  const most = Math.ceil(Math.max(from, to) + reach);
  return [Math.max(0, least), Math.min(count, most)];
}

/** The middle of a patch of `side` pixels nearest to a place, so that it covers whole pixels and as many as it says. */
export function snapped({ x, y }: Point, side: number): Point {
  const snap = (at: number): number => (side % 2 === 1 ? Math.floor(at) + 0.5 : Math.round(at));
  return { x: snap(x), y: snap(y) };
}
