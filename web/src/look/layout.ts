// Layout: where each column, tile and label of the network stands, in CSS pixels; nothing here knows of the screen.
import { BRACKET_ROOM, bracketsOf, type Bracket } from './brackets';
import { shapeText } from './slots';
import type { Column, Link } from './tree';

export interface ColumnBox {
  column: Column;
  index: number;
  kind: 'maps' | 'strip' | 'bars' | 'loss';
  /** The column's room, and the tiles' within it. */
  x: number;
  width: number;
  tileX: number;
  tileWidth: number;
  tileHeight: number;
  /** From one tile's top to the next one's. */
  pitch: number;
  /** How many tiles there is room for, never more than there are channels. */
  slots: number;
  links: Link[];
}

export interface Layout {
  boxes: ColumnBox[];
  brackets: Bracket[];
  /** Links that pass over other columns: arcs above the titles. */
  arcs: { from: number; to: number }[];
  width: number;
  height: number;
  /** Where the titles begin, and the tiles. */
  titleY: number;
  top: number;
  bottom: number;
}

export interface Wanted {
  columns: Column[];
  links: Link[][];
  /** The node whose channels are the classes, and the one that the loss is. */
  logits: string;
  loss: string;
  width: number;
  height: number;
  /** Whether a unit of a vector shows its weights, which need more room than one value. */
  isWide?: boolean;
}

const ARC_ROOM = 30;
const TITLE_ROOM = 58;
const MORE_ROOM = 26;
const LEAST_BODY = 96;
const START = 46;
const END = 20;
const TEXT_WIDTH = 6.4; // of a digit of a shape
const LEAST_COLUMN = 54;
const BARS_COLUMN = 132;
const NEAR = { least: 10, most: 30 };
const FAR = { least: 30, most: 118 };
const TILE = { dense: 26, usual: 40, wished: 6, most: 64, share: 1 / 22 }; // as many as wished for while they are not too small; at most a share of the width wide
const TILE_GAP = { least: 4, most: 16 };
const CELL = { least: 3, most: 14 };
const STRIP_WIDTH = { one: 18, many: 46 };
const ASPECT = { least: 0.25, most: 1.5 };
const MOST_BARS = 20;
const TOP_BARS = 10;
const BAR = { cell: 24, most: 38 };

const clamp = (value: number, least: number, most: number): number => Math.min(Math.max(value, least), most);

/** How many channels of a map, and how many units of a vector, a window of this height can ever show. */
export function askedFor(height: number): { k: number; vector: number } {
  const body = Math.max(LEAST_BODY, height - TITLE_ROOM - MORE_ROOM);
  const k = Math.floor(body / (TILE.dense + TILE_GAP.least));
  return { k: Math.ceil(k / 4) * 4, vector: Math.ceil(body / CELL.least / 32) * 32 };
}

export function layoutOf(wanted: Wanted): Layout {
  const { columns, links } = wanted;
  const arcs = links.flatMap((of, to) => of.flatMap(({ from }) => (from >= 0 && from < to - 1 ? [{ from, to }] : [])));
  const depth = Math.max(0, ...columns.map((column) => column.within.length));
  const titleY = (arcs.length > 0 ? ARC_ROOM : 8) + depth * BRACKET_ROOM;
  const top = titleY + TITLE_ROOM;
  const body = Math.max(LEAST_BODY, wanted.height - top - MORE_ROOM);
  const sized = columns.map((column, index) => sizeOf(column, index, body, wanted));
  const width = place(sized, links, wanted.width, columns);
  const boxes = sized.map((box, index) => ({ ...box, links: links[index] ?? [] }));
  const height = Math.max(wanted.height, top + LEAST_BODY + MORE_ROOM);
  return {
    boxes,
    brackets: bracketsOf(boxes, titleY - depth * BRACKET_ROOM),
    arcs,
    width,
    height,
    titleY,
    top,
    bottom: top + body,
  };
}

function sizeOf(column: Column, index: number, body: number, wanted: Wanted): ColumnBox {
  const { node } = column;
  const base = {
    column,
    index,
    x: 0,
    tileX: 0,
    links: [],
    width: Math.max(LEAST_COLUMN, shapeText(node.shape).length * TEXT_WIDTH),
  };
  if (node.name === wanted.loss) return { ...base, kind: 'loss', tileWidth: 40, tileHeight: 40, pitch: 40, slots: 1 };
  if (node.rows * node.columns > 1)
    return { ...base, kind: 'maps', ...mapsOf(node.n_channels, node.columns / node.rows, body, wanted.width) };
  if (node.name === wanted.logits)
    return { ...base, kind: 'bars', ...barsOf(node.n_channels, body), width: BARS_COLUMN };
  const slots = Math.min(node.n_channels, Math.floor(body / CELL.least));
  const pitch = clamp(body / slots, CELL.least, CELL.most);
  return {
    ...base,
    kind: 'strip',
    tileWidth: wanted.isWide ? STRIP_WIDTH.many : STRIP_WIDTH.one,
    tileHeight: pitch,
    pitch,
    slots,
  };
}

/** Tiles of maps: all of them while they can be told apart, else as many as fit at a usual size. */
function mapsOf(
  n: number,
  aspect: number,
  body: number,
  width: number,
): Pick<ColumnBox, 'tileWidth' | 'tileHeight' | 'pitch' | 'slots'> {
  const fits = (size: number): number => Math.floor((body + TILE_GAP.least) / (size + TILE_GAP.least));
  const slots =
    n <= fits(TILE.dense)
      ? n
      : Math.max(1, Math.min(n, fits(clamp(body / TILE.wished - TILE_GAP.least, TILE.dense, TILE.usual))));
  const most = clamp(width * TILE.share, TILE.usual, TILE.most);
  const tileHeight = Math.floor(clamp((body + TILE_GAP.least) / slots - TILE_GAP.least, TILE.dense, most));
  const gap = slots > 1 ? clamp((body - slots * tileHeight) / (slots - 1), TILE_GAP.least, TILE_GAP.most) : 0;
  const tileWidth = Math.round(tileHeight * clamp(aspect, ASPECT.least, ASPECT.most));
  return { tileWidth, tileHeight, pitch: tileHeight + Math.floor(gap), slots };
}

/** The classes, one below the other; of very many the top ten. */
function barsOf(n: number, body: number): Pick<ColumnBox, 'tileWidth' | 'tileHeight' | 'pitch' | 'slots'> {
  const slots = n <= MOST_BARS ? n : TOP_BARS;
  const pitch = Math.min(BAR.most, body / slots);
  return { tileWidth: BAR.cell, tileHeight: Math.min(BAR.cell, Math.max(2, pitch - 4)), pitch, slots };
}

/** Sets every column's x and says how wide all is. What is computed channel by channel stands close to its source. */
function place(boxes: ColumnBox[], links: Link[][], room: number, columns: Column[]): number {
  const isNear = boxes.map((_, index) => {
    const [only, ...others] = links[index] ?? [];
    const alone = columns[index]?.folded === null && others.length === 0;
    return index > 0 && alone && only?.channels === 'same' && only.from === index - 1;
  });
  const taken = boxes.reduce((sum, box) => sum + box.width, START + END);
  const gaps = isNear.slice(1).map((near) => (near ? NEAR : FAR));
  const least = gaps.reduce((sum, gap) => sum + gap.least, 0);
  const most = gaps.reduce((sum, gap) => sum + gap.most, 0);
  const share = most > least ? clamp((room - taken - least) / (most - least), 0, 1) : 0;
  let x = START;
  boxes.forEach((box, index) => {
    const gap = gaps[index - 1];
    if (gap) x += gap.least + share * (gap.most - gap.least);
    box.x = Math.round(x);
    box.tileX = box.kind === 'bars' ? box.x + 44 : Math.round(x + (box.width - box.tileWidth) / 2);
    x += box.width;
  });
  return Math.ceil(x + END);
}
