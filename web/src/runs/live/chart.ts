// What uPlot is told for one curve: the steps as they came, thin, their mean, strong, and a mark at each epoch's end.
import uPlot from 'uplot';
import { figure, percent } from '../format';
import { smoothingWindow, thin, type Column, type Curve } from './columns';

export interface Range {
  min: number;
  max: number;
}

/** A mark at the end of an epoch; null where there is nothing to mark. */
export interface EpochMark {
  step: number;
  value: number | null;
}

export interface ChartKind {
  /** Whether a mean of neighbours is drawn over the steps. */
  smooth: boolean;
  share: boolean;
  log: boolean;
  /** The colour tokens of the curve and of the marks. */
  colour: string;
  mark: string;
}

export interface Handlers {
  onzoom(range: Range | null): void;
  oncursor(step: number | null): void;
  marks(): EpochMark[];
}

type Rows = [number[], number[], number[]];

/** x, the steps' values and their means, of the steps in `range`, at most `most` of them. */
export function rowsOf(steps: Column, curve: Curve, range: Range | null, most: number): Rows {
  // One step more on either side, so that the line runs out of the window instead of ending in it.
  const from = range ? Math.max(0, steps.countBelow(range.min) - 1) : 0;
  const to = range ? Math.min(steps.length, steps.countBelow(range.max) + 2) : steps.length;
  const window = smoothingWindow(steps.length);
  const rows: Rows = [[], [], []];
  for (const index of thin(curve.values, from, to, most)) {
    rows[0].push(steps.at(index));
    rows[1].push(curve.values.at(index));
    rows[2].push(curve.meanAround(index, window));
  }
  return rows;
}

/** The ends of the vertical axis for the numbers in sight. */
export function heightOf(kind: ChartKind, values: Iterable<number | null>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || !Number.isFinite(value) || (kind.log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return kind.log ? [0.1, 1] : [0, 1];
  if (kind.log) return [low / 1.2, high * 1.2];
  const room = Math.max(0.06 * (high - low), 1e-12 + 1e-3 * Math.abs(high));
  if (kind.share) return [Math.max(0, low - room), Math.min(1, high + room) + (high >= 1 ? 0.004 : 0)];
  return [low - room < 0 && low >= 0 ? 0 : low - room, high + room];
}

export function optionsOf(
  kind: ChartKind,
  size: { width: number; height: number },
  style: CSSStyleDeclaration,
  on: Handlers,
): uPlot.Options {
  const token = (name: string): string => style.getPropertyValue(name).trim() || 'gray';
  const axis = {
    stroke: token('--muted'),
    font: `11px ${token('--sans')}`,
    grid: { stroke: token('--line'), width: 1 },
    ticks: { show: false },
    gap: 6,
  };
  const write = kind.share
    ? (value: number) => `${Number((100 * value).toFixed(2))} %`
    : (value: number) => figure(value);
  return {
    ...size,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: 'convoscope-steps' },
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { size: 6, width: 1.5 },
      bind: { dblclick: () => () => (on.onzoom(null), null) },
    },
    scales: { x: { time: false }, y: { distr: kind.log ? 3 : 1 } },
    axes: [
      {
        ...axis,
        size: 24,
        space: 70,
        values: (_, ticks) => ticks.map((step) => (step % 1 ? '' : step.toLocaleString('en-GB'))),
      },
      { ...axis, size: 58, space: 34, values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : write(tick))) },
    ],
    series: [
      {},
      {
        stroke: token(kind.colour),
        width: kind.smooth ? 1 : 1.75,
        alpha: kind.smooth ? 0.28 : 1,
        points: { show: false },
      },
      { stroke: token(kind.colour), width: 2, show: kind.smooth, points: { show: false } },
    ],
    hooks: {
      draw: [(plot) => drawMarks(plot, on.marks(), token(kind.mark), token('--surface'))],
      setCursor: [
        ({ cursor, data }) => on.oncursor(typeof cursor.idx === 'number' ? (data[0][cursor.idx] ?? null) : null),
      ],
      setSelect: [(plot) => select(plot, on)],
    },
  };
}

function select(plot: uPlot, on: Handlers): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  const [min, max] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (max - min >= 1) on.onzoom({ min, max });
}

function drawMarks(plot: uPlot, marks: EpochMark[], colour: string, ground: string): void {
  const { ctx, bbox } = plot;
  const radius = 4 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left - radius, bbox.top - radius, bbox.width + 2 * radius, bbox.height + 2 * radius);
  ctx.clip();
  for (const { step, value } of marks) {
    if (value === null) continue;
    ctx.beginPath();
    ctx.arc(plot.valToPos(step, 'x', true), plot.valToPos(value, 'y', true), radius, 0, 2 * Math.PI);
    ctx.fillStyle = colour;
    ctx.strokeStyle = ground;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

/** A value of a curve in words. */
export function told(kind: ChartKind, value: number | null): string {
  return kind.share ? percent(value) : figure(value);
}
