// The history of a run for the time slider: its loss at every step, and new snapshots while it trains.
import { untrack } from 'svelte';
import { get } from '../../wire/api';
import { follow, type Line } from '../../wire/live';
import type { Scene } from '../scene.svelte';

/** Of an event's fields those that are read here. */
interface Told {
  event: string;
  step?: number;
  epoch?: number;
  loss?: number | string;
}

interface Page {
  next: number;
  events: Line<Told>[];
}

const PAGE = 5000;
const LOOK_AGAIN_MS = 5000;
const LIVE = new Set(['training', 'paused']);

export class History {
  /** Step and loss, in order. */
  losses: [number, number][] = $state.raw([]);
  /** Whether more may come. */
  readonly isLive = $derived.by(() => LIVE.has(this.#scene.detail?.headline.state ?? ''));
  readonly #isKnown = $derived.by(() => this.#scene.detail !== null);
  readonly #scene: Scene;
  readonly #epochs = new Map<number, number>();

  constructor(scene: Scene) {
    this.#scene = scene;
    $effect(() => this.#follow());
    $effect(() => {
      if (!this.isLive) return undefined;
      // No event says that a trainer has died, or that its run is gone.
      const timer = setInterval(() => void scene.refresh(), LOOK_AGAIN_MS);
      return () => clearInterval(timer);
    });
  }

  /** The epoch of a step; the first for what comes before it. */
  epochOf(step: number): number {
    return this.#epochs.get(step) ?? 1;
  }

  /** The loss at a step, or at the first one after it that has one. */
  lossAt(step: number): number | null {
    return this.losses.find(([at]) => at >= step)?.[1] ?? this.losses.at(-1)?.[1] ?? null;
  }

  /** Once for a run, and once more if it is trained on: what is known of it is read anew with every snapshot. */
  #follow(): (() => void) | undefined {
    const { isLive } = this;
    if (!this.#isKnown || (!isLive && untrack(() => this.losses.length > 0))) return undefined;
    this.#begin();
    if (isLive) {
      const follower = { onLines: (lines: Line<Told>[]) => this.#take(lines), onAnew: () => this.#begin() };
      return follow<Told>(this.#scene.run, follower);
    }
    const stop = new AbortController();
    void this.#read(stop.signal).catch(() => undefined); // the curve is missing then; the slider works
    return () => stop.abort();
  }

  #begin(): void {
    this.losses = [];
    this.#epochs.clear();
  }

  async #read(signal: AbortSignal): Promise<void> {
    for (let from = 0; ;) {
      const { next, events } = await get<Page>(`${this.#scene.route}/events`, { from, limit: PAGE }, { signal });
      this.#take(events);
      if (events.length < PAGE || next <= from) return;
      from = next;
    }
  }

  #take(lines: Line<Told>[]): void {
    const losses: [number, number][] = [];
    const newest = this.#scene.detail?.snapshots.at(-1)?.step ?? -1;
    let isNews = false;
    for (const { event } of lines) {
      isNews ||= event.event === 'finished' || (event.event === 'saved' && (event.step ?? 0) > newest);
      if (event.event !== 'step' || event.step === undefined) continue;
      losses.push([event.step, Number(event.loss)]);
      if (event.epoch !== undefined) this.#epochs.set(event.step, event.epoch);
    }
    if (losses.length > 0) this.losses = [...this.losses, ...losses];
    if (isNews && this.isLive) void this.#scene.refresh();
  }
}
