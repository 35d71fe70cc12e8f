// The textures that hold the bytes of all tiles, and their copy in memory from which what has changed is uploaded.
import type { Cells } from './cells';
import { Shelves, type Slot } from './shelves';
import { TEXTURE_SIDE } from './tile';

/** 64 MiB of bytes: far more cells than any screen has pixels. */
const MOST_LAYERS = 16;

/** A layer's copy in memory, and its rows that were written since the last upload: from `first` up to `end`. */
interface Layer {
  bytes: Uint8Array;
  first: number;
  end: number;
}

interface Held {
  slot: Slot;
  cells: Cells;
}

export class Textures {
  readonly #gl: WebGL2RenderingContext;
  #texture: WebGLTexture | null = null;
  #shelves = new Shelves(TEXTURE_SIDE, MOST_LAYERS);
  #copies: Layer[] = [];
  readonly #held = new Map<string, Held>();

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
  }

  /** Lets a tile's place go. */
  release(key: string): void {
    const held = this.#held.get(key);
    if (!held) return;
    this.#shelves.release(held.slot);
    this.#held.delete(key);
  }

  /** Brings the cells into the textures, uploading only those that are new, and says where each lies; null where none has room. */
  hold(all: readonly (readonly [string, Cells])[]): (Slot | null)[] {
    let slots = all.map(([key, cells]) => this.#put(key, cells));
    if (slots.includes(null)) {
      // Full of places of sizes no longer in use: pack what is shown anew.
      this.#held.clear();
      this.#shelves = new Shelves(TEXTURE_SIDE, MOST_LAYERS);
      slots = all.map(([key, cells]) => this.#put(key, cells));
    }
    this.#upload();
    return slots;
  }

  #put(key: string, cells: Cells): Slot | null {
    const [width, height] = [cells.columns, cells.rows * cells.planes];
    let held = this.#held.get(key);
    if (held?.cells === cells) return held.slot;
    if (held && (held.slot.width !== width || held.slot.height !== height)) {
      this.release(key);
      held = undefined;
    }
    const slot = held?.slot ?? this.#shelves.place(width, height);
    if (!slot) return null;
    this.#held.set(key, { slot, cells });
    this.#write(slot, cells.bytes);
    return slot;
  }

  #write({ layer, x, y, width, height }: Slot, bytes: Uint8Array): void {
    while (this.#copies.length <= layer) {
      this.#copies.push({ bytes: new Uint8Array(TEXTURE_SIDE * TEXTURE_SIDE), first: TEXTURE_SIDE, end: 0 });
    }
    const copy = this.#copies[layer]!;
    for (let row = 0; row < height; row++) {
      copy.bytes.set(bytes.subarray(row * width, (row + 1) * width), (y + row) * TEXTURE_SIDE + x);
    }
    copy.first = Math.min(copy.first, y);
    copy.end = Math.max(copy.end, y + height);
  }

  #upload(): void {
    const gl = this.#gl;
    gl.activeTexture(gl.TEXTURE0);
    if (!this.#texture || this.#layers < this.#copies.length) this.#grow();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.#texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.#copies.forEach((copy, layer) => {
      if (copy.first >= copy.end) return;
      const rows = copy.bytes.subarray(copy.first * TEXTURE_SIDE, copy.end * TEXTURE_SIDE);
      const height = copy.end - copy.first;
      gl.texSubImage3D(
        ...([gl.TEXTURE_2D_ARRAY, 0, 0, copy.first, layer, TEXTURE_SIDE, height, 1] as const),
        ...([gl.RED, gl.UNSIGNED_BYTE, rows] as const),
      );
      copy.first = TEXTURE_SIDE;
      copy.end = 0;
    });
  }

  #layers = 0;

  /** A texture with room for all layers; all of them are uploaded anew. */
  #grow(): void {
    const gl = this.#gl;
    gl.deleteTexture(this.#texture);
    this.#texture = gl.createTexture();
    this.#layers = Math.max(1, this.#copies.length);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.#texture);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D_ARRAY, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.R8, TEXTURE_SIDE, TEXTURE_SIDE, this.#layers);
    for (const copy of this.#copies) {
      copy.first = 0;
      copy.end = TEXTURE_SIDE;
    }
  }
}
