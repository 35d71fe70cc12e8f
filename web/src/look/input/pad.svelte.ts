// The pad: an image under the pointer, with what was done to it before and what was undone.
import { begun, done, redone, undone, type History } from './history';
import { Stroke, type Point } from './stroke';

/** An image, and the class that it shows: null where that is not known. */
export interface Entry {
  readonly pixels: Uint8Array;
  readonly truth: number | null;
}

const KEPT_BYTES = 48e6;
const MOST_STEPS = 200;

export class Pad {
  #history: History<Entry> | null = $state.raw(null);
  /** The image under a stroke that has not ended. */
  #live: Uint8Array | null = $state.raw(null);
  #stroke: Stroke | null = null;
  #frame = 0;
  #touched: number | null = null;
  readonly #onlive: (pixels: Uint8Array) => void;
  readonly #ondone: () => void;

  readonly pixels = $derived(this.#live ?? this.#history?.present.pixels ?? null);
  readonly canUndo = $derived((this.#history?.past.length ?? 0) > 0);
  readonly canRedo = $derived((this.#history?.future.length ?? 0) > 0);

  /** `onlive` hears of a stroke at most once a frame, `ondone` of everything that stands. */
  constructor(onlive: (pixels: Uint8Array) => void, ondone: () => void) {
    this.#onlive = onlive;
    this.#ondone = ondone;
  }

  get present(): Entry | null {
    return this.#history?.present ?? null;
  }

  get isStroking(): boolean {
    return this.#stroke !== null;
  }

  /** Puts an image on the pad; what was there is gone. */
  open(entry: Entry): void {
    this.close();
    this.#history = begun(entry);
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#history = this.#live = this.#stroke = this.#touched = null;
  }

  /** Sets the tip down; `when` is the time of the pointer's event, in milliseconds of performance.now(). */
  begin(stroke: Stroke, at: Point, when: number): void {
    this.#stroke = stroke;
    this.move([at], when);
  }

  /** Moves the tip through places. */
  move(places: Point[], when: number): void {
    if (!this.#stroke) return;
    for (const at of places) this.#stroke.move(at);
    this.#touched ??= when;
    this.#frame ||= requestAnimationFrame(() => this.#show());
  }

  /** Lifts the tip: the stroke stands. */
  end(): void {
    if (!this.#stroke) return;
    if (this.#frame) this.#show();
    const pixels = this.#live;
    this.#stroke = this.#live = null;
    if (pixels) this.add(pixels);
  }

  /** Puts a changed image over the present one; it shows the same class unless something else is said. */
  add(pixels: Uint8Array, truth = this.present?.truth ?? null): void {
    this.take({ pixels, truth });
    this.#ondone();
  }

  /** The same for an image that everybody knows already. */
  take(entry: Entry): void {
    if (!this.#history) return;
    const most = Math.min(MOST_STEPS, Math.max(1, Math.floor(KEPT_BYTES / entry.pixels.length)));
    this.#history = done(this.#history, entry, most);
  }

  undo(): void {
    this.#turn(undone);
  }

  redo(): void {
    this.#turn(redone);
  }

  #turn(turned: typeof undone<Entry>): void {
    const before = this.#history;
    if (!before || this.#stroke) return;
    this.#history = turned(before);
    if (this.#history !== before) this.#ondone();
  }

  #show(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (!this.#stroke) return;
    this.#live = this.#stroke.pixels();
    performance.mark('stroke-start', { startTime: this.#touched ?? performance.now() });
    this.#touched = null;
    this.#onlive(this.#live);
  }
}
