// A painter draws many heatmaps on one canvas: by WebGL 2 where the machine computes that in hardware, else on a 2D canvas.
import { Canvas2dPainter } from './canvas2d';
import type { Theme } from './colours';
import type { Tile } from './tile';
import { WebglPainter } from './webgl';

export type { Tile } from './tile';

export interface Painter {
  readonly kind: 'webgl2' | 'canvas2d';
  /** Gives the canvas its size in CSS pixels, and the pixels of the screen to each; what was painted is gone. */
  resize(width: number, height: number, ratio: number): void;
  setTheme(theme: Theme): void;
  /** Paints these tiles and no others; outside of them the canvas is transparent. */
  paint(tiles: readonly Tile[]): void;
  /** The canvas as it was last painted: a PNG as a data: address. */
  snapshot(): string;
  destroy(): void;
}

export interface PainterOptions {
  /** Which painter to take, even where the other would be quicker. */
  prefer?: Painter['kind'];
  /** Called when the canvas can show nothing any more; its owner makes a new one, with `prefer: 'canvas2d'`. */
  onlost?: () => void;
}

/** Renderers that compute WebGL on the processor: slower there than our own loops. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render|paravirtual/i;

/** What draws WebGL 2 on this machine; null where nothing does. */
function renderer(): string | null {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) return null;
  const names = gl.getExtension('WEBGL_debug_renderer_info');
  const name = String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return name;
}

let hardware: boolean | undefined;

/** Whether WebGL 2 is there and in hardware; found out once, on a canvas of its own, as a canvas has one kind of context for life. */
export function hasHardwareWebgl(): boolean {
  if (hardware === undefined) {
    const name = renderer();
    hardware = name !== null && !SOFTWARE.test(name);
  }
  return hardware;
}

/** A painter for a canvas that has no context yet. */
export function makePainter(canvas: HTMLCanvasElement, { prefer, onlost }: PainterOptions = {}): Painter {
  const webgl = prefer ? prefer === 'webgl2' : hasHardwareWebgl();
  const gl = webgl
    ? canvas.getContext('webgl2', { antialias: false, depth: false, stencil: false, preserveDrawingBuffer: true })
    : null;
  if (gl) return new WebglPainter(canvas, gl, onlost ?? (() => {}));
  // Kept in memory and not on a graphics card: all its pixels come from there.
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('This browser gives the canvas neither WebGL 2 nor a 2D context.');
  return new Canvas2dPainter(canvas, context);
}
