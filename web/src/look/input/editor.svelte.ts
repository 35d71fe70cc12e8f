// The editor: the image that is being drawn or erased, from the first touch until it has a name of its own.
import { untrack } from 'svelte';
import { say } from '../../shell/toast.svelte';
import { go, place } from '../../state/place.svelte';
import { asProblem, peekPack } from '../../wire/api';
import type { components } from '../../wire/schema';
import type { Scene } from '../scene.svelte';
import type { Sight } from '../types';
import { inverted, same } from './fills';
import { named } from './named';
import { Pad, type Entry } from './pad.svelte';
import { Stroke, type Point, type Shape } from './stroke';
import { Tools } from './tools.svelte';

export type Mode = 'look' | 'draw' | 'erase';

const KEEP_AFTER_MS = 350; // without a new stroke

export class Editor {
  readonly tools = new Tools();
  readonly pad: Pad;
  mode: Mode = $state('look');
  /** The newest image of the data that was looked at: where a user comes back to. */
  home: string | null = $state(null);
  /** What the editing began with. */
  origin: (Entry & { image: string }) | null = $state.raw(null);
  readonly #scene: Scene;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #kept: Entry | null = null;
  #aimed: string | null = null;
  readonly #truths = new Map<string, number | null>();

  readonly shape: Shape | null = $derived.by(() => this.#scene.pixels?.shape ?? null);
  /** What is to be seen: what is on the pad, else the image of the address. */
  readonly pixels: Uint8Array | null = $derived.by(() => this.pad.pixels ?? this.#scene.pixels?.data ?? null);
  readonly isChanged: boolean = $derived.by(() => this.origin !== null && this.pixels !== this.origin.pixels);

  constructor(scene: Scene) {
    this.#scene = scene;
    this.pad = new Pad(
      (pixels) => scene.show(pixels),
      () => this.#follow(),
    );
    $effect(() => {
      if (named(scene.image)) this.home = scene.image;
    });
    $effect(() => this.#takeOver());
    $effect(() => {
      const { shape } = this;
      if (shape) untrack(() => this.tools.fit(shape));
    });
    $effect(() => () => clearTimeout(this.#timer));
  }

  /** The class that an image shows, as far as it is known: that of the image it was made from counts. */
  truthOf(sight: Sight): number | null {
    if (sight.truth !== null) return sight.truth;
    return sight.image === 'drawn' ? (this.pad.present?.truth ?? null) : (this.#truths.get(sight.image) ?? null);
  }

  /** Takes up a tool, or lays it down. Drawing on an image of the data begins with an empty pad. */
  async take(mode: Mode): Promise<void> {
    if (mode === this.mode) return;
    const isEmpty = this.mode === 'draw' && this.pad.present?.pixels.every((value) => value === 0);
    await (isEmpty ? this.reset() : this.settle());
    const { image, pixels } = this.#scene;
    if (mode === 'look' || !image || !pixels) return this.drop();
    const entry = { pixels: isEmpty && this.origin ? this.origin.pixels : pixels.data, truth: this.#labelOf(image) };
    this.#open({ ...entry, image });
    this.mode = mode;
    if (mode === 'draw' && named(image)) this.clear();
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.pad.close();
    this.mode = 'look';
  }

  begin(at: Point, when: number): void {
    const { mode, shape, tools } = this;
    const before = this.pad.present?.pixels;
    if (mode === 'look' || !shape || !before) return;
    clearTimeout(this.#timer);
    this.#aim();
    const paint = tools.paint(mode, this.origin?.pixels ?? before, shape);
    this.pad.begin(new Stroke(before, paint, shape, tools.tip(mode)), tools.put(mode, at), when);
  }

  move(places: Point[], when: number): void {
    const { mode, tools } = this;
    if (mode === 'look') return;
    const tips = places.map((at) => tools.put(mode, at));
    this.pad.move(tips, when);
  }

  clear(): void {
    if (this.pixels) this.pad.add(new Uint8Array(this.pixels.length), null);
  }

  invert(): void {
    if (this.pixels) this.pad.add(inverted(this.pixels));
  }

  /** Puts on the pad what the editing began with, to draw over it. */
  over(): void {
    if (this.origin) this.pad.add(this.origin.pixels, this.origin.truth);
  }

  /** Back to the image that the editing began with, with its name and its label. */
  async reset(): Promise<void> {
    const { origin } = this;
    if (!origin) return;
    clearTimeout(this.#timer);
    await this.#keeping; // a name that is on its way would take the origin's place
    this.pad.open(origin);
    this.#kept = origin;
    go({ image: origin.image, target: null });
    this.#scene.forget();
  }

  /** Waits until what is on the pad is kept. */
  async settle(): Promise<void> {
    this.pad.end();
    if (this.#isDirty) this.#keepNow();
    await this.#keeping;
  }

  get #isDirty(): boolean {
    return this.pad.isStroking || (this.pad.present !== null && this.pad.present !== this.#kept);
  }

  #open(entry: Entry & { image: string }): void {
    this.origin = this.#kept = entry;
    this.pad.open(entry);
  }

  #labelOf(image: string): number | null {
    const query = { images: image, v: this.#scene.detail?.version };
    const head = peekPack<components['schemas']['PixelsHead']>(`${this.#scene.route}/images`, query)?.meta;
    return head?.labels[0] ?? this.#truths.get(image) ?? null;
  }

  /** The network follows the pad at once, the address a moment later. */
  #follow(): void {
    const pixels = this.pad.present?.pixels;
    this.#aim();
    if (pixels && this.#scene.drawn !== pixels) this.#scene.show(pixels);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#keepNow(), KEEP_AFTER_MS);
  }

  #keepNow(): void {
    clearTimeout(this.#timer);
    this.#keeping = this.#keeping.then(() => this.#keep());
  }

  async #keep(): Promise<void> {
    const scene = this.#scene;
    const entry = this.pad.present;
    if (!entry || entry === this.#kept || this.pad.isStroking) return;
    if (scene.drawn !== entry.pixels) scene.show(entry.pixels); // an older one that was kept meanwhile took its place
    const { target } = place;
    try {
      await scene.keep();
    } catch (error) {
      const { message, hint } = asProblem(error);
      return say(`${message} ${hint}`.trim(), 'bad');
    }
    this.#kept = entry;
    if (place.image !== null) this.#truths.set(place.image, entry.truth);
    if (target !== null) go({ target }, { replace: true });
  }

  /** The loss is taken against the class that the image still shows, not against whatever the network now says it is. */
  #aim(): void {
    const truth = this.pad.present?.truth ?? null;
    const target = truth === null ? null : (this.#scene.network?.class_names[truth] ?? null);
    const mayClear = place.target === this.#aimed;
    this.#aimed = target;
    if (target !== null || mayClear) go({ target }, { replace: true });
  }

  /** Somebody else has changed the image, as the browser's way back does: the pad takes it over. */
  #takeOver(): void {
    const { pixels, drawn, image } = this.#scene;
    if (this.mode === 'look' || !pixels || !image || drawn) return;
    untrack(() => {
      const { present } = this.pad;
      if (!present || this.#isDirty || same(pixels.data, present.pixels)) return;
      if (named(image) && this.mode === 'draw') return this.drop();
      const entry = { pixels: pixels.data, truth: this.#labelOf(image), image };
      if (named(image)) return this.#open(entry);
      this.#kept = entry;
      this.pad.take(entry);
    });
  }
}
