// How far each parameter's steps went over the run: one row a parameter, one column a recorded step.
import type { Statistics } from '../types';
import { Column } from './columns';
import { healthColour } from './pace';

export class HealthTable {
  readonly steps = new Column();
  readonly #ratios = new Map<string, Column>();

  get names(): string[] {
    return [...this.#ratios.keys()];
  }

  push({ step, parameters }: Statistics): void {
    for (const name of Object.keys(parameters)) if (!this.#ratios.has(name)) this.#ratios.set(name, this.#empty());
    this.steps.push(step);
    for (const [name, ratios] of this.#ratios) ratios.push(parameters[name]?.update_ratio ?? NaN);
  }

  cut(step: number): void {
    const length = this.steps.countBelow(step + 1);
    for (const column of [this.steps, ...this.#ratios.values()]) column.cut(length);
  }

  /** Another network has other parameters. */
  clear(): void {
    this.steps.cut(0);
    this.#ratios.clear();
  }

  /** The newest ratio of a parameter; null where it is not known. */
  newest(name: string): number | null {
    const ratio = this.#ratios.get(name)?.at(this.steps.length - 1) ?? NaN;
    return Number.isNaN(ratio) ? null : ratio;
  }

  /**
   * The colours of some rows, from -1 to 1 about 0.001, row-major: the newest step last. Of more than `most` steps each
   * column is the one farthest from healthy in its stretch, so that a single wild step stays to be seen.
   */
  colours(names: string[], most: number): { data: Float32Array; columns: number } {
    const count = this.steps.length;
    const columns = Math.min(count, most);
    const data = new Float32Array(names.length * columns).fill(NaN);
    names.forEach((name, row) => {
      for (let column = 0; column < columns; column++) {
        const from = Math.floor((column * count) / columns);
        const to = Math.floor(((column + 1) * count) / columns);
        for (let index = from; index < to; index++) {
          const colour = healthColour(this.#ratios.get(name)?.at(index) ?? NaN);
          const kept = data[row * columns + column] as number;
          if (Number.isNaN(kept) || Math.abs(colour) > Math.abs(kept)) data[row * columns + column] = colour;
        }
      }
    });
    return { data, columns };
  }

  #empty(): Column {
    const column = new Column();
    for (let index = 0; index < this.steps.length; index++) column.push(NaN);
    return column;
  }
}
