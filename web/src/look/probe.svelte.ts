// The probe: the exact number under the cursor, what the unit there reads most, and what it sees of the input.
import { get, getPack, peekPack } from '../wire/api';
import { place } from '../state/place.svelte';
import { Newest } from './newest';
import { about, exactOf } from './shown';
import type { Hovered } from './drawing';
import type { Scene } from './scene.svelte';
import { atOf } from './places';
import type { NumberCard, UnitHead, ValuesHead } from './types';

const VALUE_PAUSE_MS = 60;
const UNIT_PAUSE_MS = 110;
const MOST_SOURCES = 24;

/** A source of the unit, and its share (0-1) of what all of them give. */
export interface Share {
  node: string;
  channel: number;
  share: number;
}

/** A number to show: exact as recorded, or about, from the picture's 256 shades. */
export interface Reading {
  value: number;
  exact: boolean;
}

const nothing = (): void => undefined; // what is not told is asked for again when the cursor comes back

export class Probe {
  readonly #scene: Scene;
  readonly #values = new Newest();
  readonly #units = new Newest();
  readonly #fields = new Newest();
  readonly #boxes = new Map<string, Scene['field']>();
  /** Grows when an answer has come: what reads the kept packs looks again. */
  #arrived = $state(0);

  constructor(scene: Scene) {
    this.#scene = scene;
    $effect(() => this.#askValues());
    $effect(() => this.#askUnit());
    $effect(() => this.#askField());
  }

  /** The number under the cursor. */
  readonly reading: Reading | null = $derived.by(() => {
    void this.#arrived;
    const { hovered, atlas, nodes } = this.#scene;
    const card = nodes.get(hovered?.node ?? '');
    const sheet = atlas?.sheets.get(hovered?.node ?? '');
    if (!hovered || hovered.channel === null || !card || !sheet) return null;
    if (place.tab === 'update' || !this.#scene.isCurrent) return null;
    const slot = sheet.channels.indexOf(hovered.channel);
    const exact = exactOf(sheet, slot);
    if (exact !== undefined) return { value: exact, exact: true };
    const cell = flat(hovered, card.rows, card.columns);
    if (cell === null) return null;
    const values = this.#isKept ? peekPack<ValuesHead>(...this.#valuesAt(hovered))?.tensors.values : undefined;
    const value = values?.data[cell];
    if (value !== undefined) return { value, exact: true };
    if (slot < 0 || !sheet.data || sheet.shrunk !== 1) return null;
    return {
      value: about(sheet.data[slot * sheet.rows * sheet.columns + cell] ?? 0, sheet.peaks[slot] ?? 0),
      exact: false,
    };
  });

  /** What the hovered unit reads most; empty until the server has said. */
  readonly shares: Share[] = $derived.by(() => {
    void this.#arrived;
    const { hovered } = this.#scene;
    if (!hovered || hovered.channel === null || !this.#isKept) return [];
    const head = peekPack<UnitHead>(...this.#unitAt(hovered))?.meta;
    const all = head?.sources.reduce((sum, source) => sum + source.share, 0) ?? 0;
    return head && all > 0
      ? head.sources.map(({ node, channel, share }) => ({ node, channel, share: share / all }))
      : [];
  });

  /** Whether the image has a name to ask by; a stroke has none. */
  get #isKept(): boolean {
    return this.#scene.drawn === null;
  }

  #valuesAt({ node, channel }: Hovered): Parameters<typeof peekPack> {
    return [`${this.#scene.route}/values`, { ...this.#scene.query(), node, channels: channel }];
  }

  #unitAt({ node, channel }: Hovered): Parameters<typeof peekPack> {
    return [`${this.#scene.route}/unit`, { ...this.#scene.query(), node, channel, sources: MOST_SOURCES }];
  }

  #askValues(): void {
    const { hovered, nodes } = this.#scene;
    const card = nodes.get(hovered?.node ?? '');
    const isMap = card !== undefined && card.rows * card.columns > 1;
    if (!hovered || hovered.channel === null || !isMap || !this.#isKept || place.tab === 'update')
      return this.#values.stop();
    this.#bring(this.#values, VALUE_PAUSE_MS, this.#valuesAt(hovered));
  }

  #askUnit(): void {
    const { hovered, nodes } = this.#scene;
    const card = nodes.get(hovered?.node ?? '');
    const hasSources = card !== undefined && !card.is_loss && place.tab !== 'update';
    if (!hovered || hovered.channel === null || !hasSources || !this.#isKept) return this.#units.stop();
    this.#bring(this.#units, UNIT_PAUSE_MS, this.#unitAt(hovered));
  }

  #bring(newest: Newest, pause: number, at: Parameters<typeof peekPack>): void {
    newest.stop();
    if (peekPack(...at)) return;
    void newest.run(async (signal) => {
      await wait(pause, signal);
      await getPack(...at, { signal });
      this.#arrived += 1;
    }, nothing);
  }

  /** A field is the network's: it is asked for once, whatever the image and the step. */
  #askField(): void {
    const { hovered, nodes, route } = this.#scene;
    const node = hovered?.node ?? place.node;
    const card = nodes.get(node ?? '');
    const channel = hovered ? hovered.channel : (place.at?.[0] ?? place.unit);
    if (!card || card.is_loss || channel === null) return this.#setField(null);
    const at =
      (hovered ? hovered.at : place.at) ?? atOf(card, channel, Math.floor(card.rows / 2), Math.floor(card.columns / 2));
    const where = at.length > 1 ? at.slice(1) : at; // every channel of a map sees the same pixels at a place
    const key = `${place.mode} ${card.name} ${where.join()}`;
    const here = this.#boxes.get(key);
    if (here !== undefined) return this.#setField(here);
    const query = {
      ...this.#scene.query(),
      tab: 'forward',
      minus: null,
      node: card.name,
      at: at.join(),
      by: 'term',
      terms: 1,
    };
    if (!this.#scene.image) return;
    void this.#fields.run(async (signal) => {
      await wait(VALUE_PAUSE_MS, signal);
      const { field } = await get<NumberCard>(`${route}/number`, query, { signal });
      const box = field && ({ rows: field.rows, columns: field.columns } as Scene['field']);
      this.#boxes.set(key, box);
      this.#scene.field = box;
    }, nothing);
  }

  #setField(field: Scene['field']): void {
    this.#fields.stop();
    this.#scene.field = field;
  }
}

/** The place of a hovered unit in its channel's map, null where only the channel is known. */
function flat({ at }: Hovered, rows: number, columns: number): number | null {
  if (!at) return null;
  if (at.length === 3) return (at[1] ?? 0) * columns + (at[2] ?? 0);
  return at.length === 2 ? (at[1] ?? 0) : rows * columns === 1 ? 0 : null;
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, stop) => {
    const timer = setTimeout(done, ms);
    const leave = (): void => {
      clearTimeout(timer);
      stop(signal.reason as Error);
    };
    signal.addEventListener('abort', leave, { once: true });
  });
}
