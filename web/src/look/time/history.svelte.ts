// The history of a run for the time slider: its loss at every step, and new snapshots while it trains.
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
const LIVE = new Set(['training', 'paused']);

export class History {
  /** Step and loss, in order. */
  losses: [number, number][] = $state.raw([]);
  readonly #scene: Scene;
  readonly #epochs = new Map<number, number>();

  constructor(scene: Scene) {
    this.#scene = scene;
    $effect(() => this.#follow());
  }

  get isLive(): boolean {
    return LIVE.has(this.#scene.detail?.headline.state ?? '');
  }

  /** The epoch of a step; the first for what comes before it. */
  epochOf(step: number): number {
    return this.#epochs.get(step) ?? 1;
  }

  /** The loss at a step, or at the first one after it that has one. */
  lossAt(step: number): number | null {
    return this.losses.find(([at]) => at >= step)?.[1] ?? this.losses.at(-1)?.[1] ?? null;
  }

  #follow(): (() => void) | undefined {
    const { run, detail } = this.#scene;
    if (!detail) return undefined;
    if (this.isLive) return follow<Told>(run, { from: 0, onLines: (lines) => this.#take(lines) });
    if (this.losses.length > 0) return undefined;
    const stop = new AbortController();
    void this.#read(stop.signal).catch(() => undefined); // the curve is missing then; the slider works
    return () => stop.abort();
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
    let stored = false;
    for (const { event } of lines) {
      stored ||= event.event === 'saved' || event.event === 'finished';
      if (event.event !== 'step' || event.step === undefined) continue;
      losses.push([event.step, Number(event.loss)]);
      if (event.epoch !== undefined) this.#epochs.set(event.step, event.epoch);
    }
    if (losses.length > 0) this.losses = [...this.losses, ...losses];
    if (stored && this.isLive) void this.#scene.refresh();
  }
}
