// The view: the network's layout in the window it has, what is in view, and what the pointer is over.
import { place, type Tab } from '../state/place.svelte';
import { hitOf, type Hit } from './hit';
import { layoutOf, type ColumnBox, type Layout } from './layout';
import { atOf } from './places';
import { readTurn } from './repeats';
import type { Scene } from './scene.svelte';
import { largestOf, sameShown, shownOf, type Shown } from './shown';
import { steady } from './steady';
import { tilesOf } from './tiles';
import { turnName } from './turns';
import { t } from './words';

const MARGIN = 200; // pixels beside the window that are painted already, so that scrolling shows no gaps

export class View {
  readonly scene: Scene;
  width = $state(0);
  height = $state(0);
  scroll = $state(0);
  /** Where the pointer is, in the layout's pixels; null while it is elsewhere. */
  pointer: { x: number; y: number } | null = $state.raw(null);

  constructor(scene: Scene) {
    this.scene = scene;
  }

  readonly layout: Layout = $derived.by(() => {
    const { columns, links, network } = this.scene;
    const { logits = '', loss = '' } = network ?? {};
    return layoutOf({
      columns,
      links,
      logits,
      loss,
      width: this.width,
      height: this.height,
      isWide: this.scene.tab === 'update',
    });
  });

  /** The column that is looked at, and the channel. */
  readonly selected: { box: ColumnBox; channel: number | null } | null = $derived.by(() => {
    const { node } = place;
    if (node === null) return null;
    const box = this.layout.boxes.find((other) =>
      other.column.nodes.some((card) => card.name === node || card.parameters.some(({ name }) => name === node)),
    );
    if (!box) return null;
    const isHere = box.column.node.name === node || box.column.folded === null;
    return { box, channel: isHere ? (place.unit ?? place.at?.[0] ?? null) : null };
  });

  readonly scores = $derived.by(() => {
    const sight = this.scene.atlas?.sight;
    return sight && sight.tab === 'forward' && sight.minus === null ? sight.logits : null;
  });

  readonly shown: Map<string, Shown> = $derived.by(() => {
    const { atlas } = this.scene;
    const { selected } = this;
    const next = this.layout.boxes.map((box): [string, Shown] => {
      const kept = selected?.box === box ? selected.channel : null;
      const sheet = atlas?.sheets.get(box.column.node.name);
      return [box.column.key, shownOf(box, sheet, kept, atlas?.sight.logits)];
    });
    return (this.#shown = steady(this.#shown, next, sameShown));
  });

  /** The nodes whose sheets have come; why there is nothing to show of one, else "". */
  readonly notes: Map<string, string> = $derived.by(() => {
    const next = [...(this.scene.atlas?.sheets.values() ?? [])].map(({ node, note }): [string, string] => [node, note]);
    return (this.#notes = steady(this.#notes, next, Object.is));
  });

  // What they were: a stroke changes bytes alone, and nothing but the picture needs to be made anew.
  #shown = new Map<string, Shown>();
  #notes = new Map<string, string>();

  /** Of the whole network but the loss, whose gradient is 1 and would outshine all. */
  readonly largest = $derived.by(() => {
    const { atlas, nodes } = this.scene;
    return largestOf([...(atlas?.sheets.values() ?? [])].filter(({ node }) => !nodes.get(node)?.is_loss));
  });

  /** The part of the layout that is painted: it moves in strides, so that scrolling seldom paints anew. */
  readonly from = $derived(Math.max(0, Math.floor((this.scroll - MARGIN) / MARGIN) * MARGIN));
  readonly to = $derived(Math.min(this.layout.width, this.from + this.width + 3 * MARGIN));

  readonly tiles = $derived.by(() => {
    const { layout, shown, largest, from, to, scores } = this;
    const sheets = this.scene.atlas?.sheets;
    return sheets
      ? tilesOf({
          layout,
          sheets,
          shown,
          scope: place.scope,
          scale: scaleOf(this.scene.tab),
          largest,
          scores,
          from,
          to,
        })
      : [];
  });

  /** What the pointer hits. */
  hit(): Hit | null {
    return this.pointer && hitOf(this.layout, this.pointer.x, this.pointer.y);
  }

  /** Tells everybody what is hovered, if it is something else than before. */
  hover(hit: Hit | null): void {
    const { scene } = this;
    if (!hit) {
      if (scene.hovered) scene.hovered = null;
      return;
    }
    const card = hit.box.column.node;
    const channel = this.shown.get(hit.box.column.key)?.channels[hit.slot] ?? hit.slot;
    // A map of the tab "update" shows weights: its cells are no units.
    const at = scene.tab === 'update' ? null : atOf(card, channel, hit.row, hit.column);
    const before = scene.hovered;
    if (before?.node === card.name && before.channel === channel && before.at?.join() === at?.join()) return;
    scene.hovered = { node: card.name, channel, at };
  }

  /** What a module is called under the unfolded one around it; a turn of a loop by what it reads. */
  nameOf(path: string, around?: string): string {
    const { path: module, turn, isParts } = readTurn(path);
    const outer = around === undefined ? null : readTurn(around);
    if (isParts) return t('look.parts');
    if (turn !== null && outer?.turn !== turn) return turnName(this.scene, module, turn);
    const name = outer && module.startsWith(`${outer.path}.`) ? module.slice(outer.path.length + 1) : module;
    return outer?.turn ? name.replace(new RegExp(`_${outer.turn}(?=\\.|$)`), '') : name; // its bracket says which turn
  }

  /** A module's whole path, as it is read aloud. */
  spoken(path: string): string {
    const { path: module, turn, isParts } = readTurn(path);
    if (isParts) return `${module} · ${t('look.parts')}`;
    return turn === null ? module : `${module} · ${turnName(this.scene, module, turn)}`;
  }

  /** What a column is called. */
  titleOf({ column: { folded, node, within } }: ColumnBox): string {
    return this.nameOf(folded ?? node.name, within.at(-1));
  }

  /** The box of a node's column and the slot of one of its channels, where it is shown. */
  slotOf(node: string, channel: number | null): { box: ColumnBox; slot: number } | null {
    const box = this.layout.boxes.find((other) => other.column.node.name === node);
    const slot = box && channel !== null ? this.shown.get(box.column.key)?.slotOf.get(channel) : undefined;
    return box && slot !== undefined ? { box, slot } : null;
  }
}

/** Weights have colours of their own. */
export const scaleOf = (tab: Tab): 'value' | 'weight' => (tab === 'update' ? 'weight' : 'value');
