// The order of the table of classes.
import type { ClassFigures } from '../types';

export type By = 'name' | 'n' | 'precision' | 'recall' | 'f1';

export interface ClassRow {
  k: number;
  figures: ClassFigures;
}

const NAMES = new Intl.Collator(undefined, { numeric: true });

/** The classes by one column; what has no figure stands last in either direction. */
export function sorted(classes: readonly ClassFigures[], by: By, down: boolean): ClassRow[] {
  const sign = down ? -1 : 1;
  return classes
    .map((figures, k) => ({ k, figures }))
    .sort((a, b) => {
      if (by === 'name') return sign * NAMES.compare(a.figures.name, b.figures.name);
      const [one, other] = [a.figures[by], b.figures[by]];
      if (one === null || other === null) return Number(one === null) - Number(other === null);
      return sign * (one - other) || a.k - b.k;
    });
}
