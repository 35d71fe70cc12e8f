// The cells of the last paint, so that the next one prepares only what has changed.
import { cellsOf, type Cells } from './cells';
import { shownOf, type Box, type Tile } from './tile';

/** What the bytes of a tile depend on, beside its place: the cells of the last paint are used again while it is the same. */
const sameBytes = (a: Tile, b: Tile) =>
  a.data === b.data &&
  a.offset === b.offset &&
  a.rows === b.rows &&
  a.columns === b.columns &&
  a.scale === b.scale &&
  (a.limit === b.limit || a.data instanceof Uint8Array);

interface Kept {
  tile: Tile;
  cells: Cells;
  paint: number;
}

/** The cells of every tile of the last paint; `begin` starts a paint and `end` lets go of tiles that were not in it. */
export class KeptCells {
  readonly #kept = new Map<string, Kept>();
  #paint = 0;

  begin() {
    this.#paint++;
  }

  /** The tile's cells: the same object as in the last paint if nothing that they depend on has changed. */
  of(tile: Tile, box: Box): Cells {
    const old = this.#kept.get(tile.key);
    const { rows, columns } = shownOf(tile, box);
    const same = old && sameBytes(old.tile, tile) && old.cells.rows === rows && old.cells.columns === columns;
    const cells = same ? old.cells : cellsOf(tile, box);
    this.#kept.set(tile.key, { tile: { ...tile }, cells, paint: this.#paint });
    return cells;
  }

  end(gone: (key: string) => void = () => {}) {
    for (const [key, kept] of this.#kept) {
      if (kept.paint === this.#paint) continue;
      this.#kept.delete(key);
      gone(key);
    }
  }
}
