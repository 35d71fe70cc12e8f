// Edges: the lines between columns, as the `d` of SVG paths: one path for a pair of columns, however many lines it has.
import type { ColumnBox, Layout } from './layout';
import { slotMiddle } from './slots';
import type { Shown } from './shown';

const MOST_ENDS = 10; // lines that leave or reach one column on their way to or from all of another
const INPUT_X = 8;

/** One line from (x0, y0) to (x1, y1), level at both ends. */
export function curve(x0: number, y0: number, x1: number, y1: number): string {
  const middle = round((x0 + x1) / 2);
  return `M${round(x0)} ${round(y0)}C${middle} ${round(y0)} ${middle} ${round(y1)} ${round(x1)} ${round(y1)}`;
}

const round = (value: number): number => Math.round(value * 2) / 2;

/** Heights at which lines leave a column: its tiles' middles, or some spread over them where there are many. */
function ends(layout: Layout, box: ColumnBox): number[] {
  const n = Math.min(MOST_ENDS, box.slots);
  return Array.from({ length: n }, (_, i) => slotMiddle(layout, box, n === 1 ? 0 : (i * (box.slots - 1)) / (n - 1)));
}

export const rightOf = (box: ColumnBox): number => box.tileX + box.tileWidth + 2;
export const leftOf = (box: ColumnBox): number => box.tileX - (box.kind === 'bars' ? 16 : 2);

/** Quiet lines from the column before, or from the input, into this one; "" where nothing comes from there. */
export function edgesInto(layout: Layout, box: ColumnBox, shown: ReadonlyMap<string, Shown>): string {
  return box.links
    .map((link) => {
      if (link.from < 0) return inputLines(layout, box);
      const source = layout.boxes[link.from];
      if (!source || link.from < box.index - 1) return '';
      if (link.channels === 'same') return level(layout, source, box, shown);
      const to = ends(layout, box);
      return ends(layout, source)
        .flatMap((y0) => to.map((y1) => curve(rightOf(source), y0, leftOf(box), y1)))
        .join('');
    })
    .join('');
}

/** From the input image, which stands to the left of all. */
function inputLines(layout: Layout, box: ColumnBox): string {
  if (box.index > 0) return '';
  const from = (layout.top + layout.bottom) / 2;
  return ends(layout, box)
    .map((y) => curve(INPUT_X, from, leftOf(box), y))
    .join('');
}

/** A line from each channel to the same one. */
function level(layout: Layout, source: ColumnBox, box: ColumnBox, shown: ReadonlyMap<string, Shown>): string {
  const before = shown.get(source.column.key);
  const now = shown.get(box.column.key);
  const every = Math.ceil(box.slots / (2 * MOST_ENDS));
  const lines: string[] = [];
  for (let slot = 0; slot < box.slots; slot += every) {
    const from = before?.slotOf.get(now?.channels[slot] ?? slot);
    if (from === undefined) continue;
    lines.push(curve(rightOf(source), slotMiddle(layout, source, from), leftOf(box), slotMiddle(layout, box, slot)));
  }
  return lines.join('');
}

/** A skip: from the top of one column over the ones between to another's. */
export function arc(layout: Layout, from: number, to: number): string {
  const [a, b] = [layout.boxes[from], layout.boxes[to]];
  if (!a || !b) return '';
  const y = 26;
  const [x0, x1] = [a.x + a.width / 2 + 4, b.x + b.width / 2 - 4];
  const bend = Math.min(28, (x1 - x0) / 3);
  const lift = Math.max(4, y - 8 - (to - from) * 2);
  return `M${round(x0)} ${y}Q${round(x0)} ${lift} ${round(x0 + bend)} ${lift}L${round(x1 - bend)} ${lift}Q${round(x1)} ${lift} ${round(x1)} ${y}`;
}
