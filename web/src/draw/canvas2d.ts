// The painter for where WebGL 2 is missing or computed in software: a frame painted here and put on a 2D canvas.
import { gainOf, type Cells } from './cells';
import type { Theme } from './colours';
import { Frame, Palette } from './frame';
import { KeptCells } from './kept';
import type { Painter } from './painter';
import { boxOf, type Box, type Tile } from './tile';

/** What a tile's pixels depend on. */
interface Drawn {
  box: Box;
  cells: Cells;
  look: string;
}

const sameBox = (a: Box, b: Box) =>
  a.left === b.left && a.top === b.top && a.width === b.width && a.height === b.height;

export class Canvas2dPainter implements Painter {
  readonly kind = 'canvas2d';
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #kept = new KeptCells();
  #palette = new Palette('light');
  #frame: Frame;
  #ratio = 1;
  /** What the frame holds; empty when all of it is to be painted anew. */
  #drawn: Drawn[] = [];

  constructor(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D) {
    this.#canvas = canvas;
    this.#context = context;
    this.#frame = new Frame(canvas.width, canvas.height);
  }

  resize(width: number, height: number, ratio: number): void {
    this.#ratio = ratio;
    this.#canvas.width = Math.max(1, Math.round(width * ratio));
    this.#canvas.height = Math.max(1, Math.round(height * ratio));
    this.#frame = new Frame(this.#canvas.width, this.#canvas.height);
    this.#drawn = [];
  }

  setTheme(theme: Theme): void {
    if (theme === this.#palette.theme) return;
    this.#palette = new Palette(theme);
    this.#drawn = [];
  }

  paint(tiles: readonly Tile[]): void {
    this.#kept.begin();
    const shown = tiles.filter((tile) => tile.rows * tile.columns > 0);
    const next = shown.map((tile): Drawn => {
      const box = boxOf(tile, this.#ratio);
      return { box, cells: this.#kept.of(tile, box), look: `${tile.scale} ${gainOf(tile)} ${tile.dim ?? 0}` };
    });
    this.#kept.end();

    const inPlace =
      this.#drawn.length === next.length && next.every(({ box }, place) => sameBox(box, this.#drawn[place]!.box));
    if (!inPlace) this.#frame.pixels.fill(0);
    const changed: Box[] = [];
    next.forEach((drawn, place) => {
      const old = this.#drawn[place];
      if (inPlace && old && old.cells === drawn.cells && old.look === drawn.look) return;
      this.#frame.draw(shown[place]!, drawn.box, drawn.cells, this.#palette);
      changed.push(drawn.box);
    });
    this.#drawn = next;
    this.#show(inPlace ? changed : null);
  }

  /** Puts the boxes, or all where there are none or they are much of it, on the canvas. */
  #show(boxes: readonly Box[] | null): void {
    const { pixels, width, height } = this.#frame;
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    const area = boxes?.reduce((sum, box) => sum + box.width * box.height, 0) ?? Infinity;
    if (boxes && boxes.length < 256 && area < (width * height) / 4) {
      for (const { left, top, width, height } of boxes) {
        this.#context.putImageData(image, 0, 0, left, top, width, height);
      }
    } else {
      this.#context.putImageData(image, 0, 0);
    }
  }

  snapshot(): string {
    return this.#canvas.toDataURL('image/png');
  }

  destroy(): void {
    this.#drawn = [];
    this.#frame = new Frame(0, 0);
  }
}
