// Where tiles lie in the textures: packed on shelves, and their places used again.

export interface Slot {
  layer: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Shelf {
  layer: number;
  y: number;
  height: number;
  /** How far it is filled. */
  used: number;
}

/**
 * Packs rectangles of at most `side` by `side` into square layers, on shelves of one height each; the tiles of a network have few
 * different sizes, so that little is wasted. A released place is given to the next rectangle of its size.
 */
export class Shelves {
  readonly #shelves: Shelf[] = [];
  readonly #free = new Map<string, Slot[]>();
  /** The height taken in each layer. */
  readonly #taken: number[] = [];

  constructor(
    readonly side: number,
    readonly mostLayers: number,
  ) {}

  /** How many layers are in use. */
  get layers(): number {
    return this.#taken.length;
  }

  /** A place for a rectangle, or null when all layers are full: then start anew with what is still shown. */
  place(width: number, height: number): Slot | null {
    const again = this.#free.get(`${width} ${height}`)?.pop();
    if (again) return again;
    const shelf = this.#shelfFor(width, height);
    if (!shelf) return null;
    const slot = { layer: shelf.layer, x: shelf.used, y: shelf.y, width, height };
    shelf.used += width;
    return slot;
  }

  release(slot: Slot): void {
    const key = `${slot.width} ${slot.height}`;
    const free = this.#free.get(key);
    if (free) free.push(slot);
    else this.#free.set(key, [slot]);
  }

  #shelfFor(width: number, height: number): Shelf | null {
    const open = this.#shelves.find((shelf) => shelf.height === height && shelf.used + width <= this.side);
    if (open) return open;
    let layer = this.#taken.findIndex((taken) => taken + height <= this.side);
    if (layer < 0) {
      if (this.layers >= this.mostLayers || width > this.side || height > this.side) return null;
      layer = this.#taken.push(0) - 1;
    }
    const shelf = { layer, y: this.#taken[layer]!, height, used: 0 };
    this.#taken[layer]! += height;
    this.#shelves.push(shelf);
    return shelf;
  }
}
