// The painter on WebGL 2: every tile of the page in one call, of bytes packed in textures and coloured by the shader.
import { gainOf, type Cells } from './cells';
import { lut, surfaceOf, type Theme } from './colours';
import { KeptCells } from './kept';
import type { Painter } from './painter';
import { Textures } from './textures';
import { FRAGMENT, INSTANCE_FLOATS, RAMP_ROWS, VERTEX } from './shader';
import { boxOf, rampOf, type Tile } from './tile';

/** How long a lost context may take to come back before it is given up. */
const PATIENCE_MS = 1000;

function compile(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error('The context of WebGL is lost.');
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The shaders do not link: ${gl.getProgramInfoLog(program) ?? ''}`);
  }
  return program;
}

/** What lives in the context, and is made anew after it was lost. */
class Stage {
  readonly program: WebGLProgram;
  readonly textures: Textures;
  readonly #gl: WebGL2RenderingContext;
  readonly #instances: WebGLBuffer;
  readonly #colours: WebGLTexture;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
    this.program = compile(gl);
    this.textures = new Textures(gl);
    this.#instances = gl.createBuffer();
    this.#colours = gl.createTexture();
    gl.useProgram(this.program);
    gl.uniform1i(this.#uniform('bytes'), 0);
    gl.uniform1i(this.#uniform('colours'), 1);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#instances);
    const stride = 4 * INSTANCE_FLOATS;
    for (const [location, size] of [4, 4, 4, 1].entries()) {
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, gl.FLOAT, false, stride, 16 * location);
      gl.vertexAttribDivisor(location, 1);
    }
  }

  #uniform(name: string): WebGLUniformLocation | null {
    return this.#gl.getUniformLocation(this.program, name);
  }

  setTheme(theme: Theme): void {
    const gl = this.#gl;
    const colours = new Uint8Array(RAMP_ROWS.length * 1024);
    RAMP_ROWS.forEach((ramp, row) => colours.set(lut(ramp, theme), row * 1024));
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.#colours);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, RAMP_ROWS.length, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours);
    const [r, g, b] = surfaceOf(theme);
    gl.uniform3f(this.#uniform('surface'), r / 255, g / 255, b / 255);
  }

  draw(instances: Float32Array, width: number, height: number): void {
    const gl = this.#gl;
    gl.viewport(0, 0, width, height);
    gl.uniform2f(this.#uniform('canvas'), width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.bufferData(gl.ARRAY_BUFFER, instances, gl.DYNAMIC_DRAW);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, instances.length / INSTANCE_FLOATS);
  }
}

export class WebglPainter implements Painter {
  readonly kind = 'webgl2';
  readonly #canvas: HTMLCanvasElement;
  readonly #gl: WebGL2RenderingContext;
  readonly #kept = new KeptCells();
  readonly #lost: () => void;
  #stage: Stage;
  #theme: Theme = 'light';
  #ratio = 1;
  #tiles: readonly Tile[] = [];
  #patience: ReturnType<typeof setTimeout> | undefined;

  /** `lost` is called when the context has gone and not come back: this canvas will never show anything again. */
  constructor(canvas: HTMLCanvasElement, gl: WebGL2RenderingContext, lost: () => void) {
    this.#canvas = canvas;
    this.#gl = gl;
    this.#lost = lost;
    this.#stage = new Stage(gl);
    this.#stage.setTheme(this.#theme);
    canvas.addEventListener('webglcontextlost', this.#wait);
    canvas.addEventListener('webglcontextrestored', this.#restore);
  }

  readonly #wait = (event: Event) => {
    event.preventDefault(); // asks the browser to bring it back
    this.#patience = setTimeout(this.#lost, PATIENCE_MS);
  };

  readonly #restore = () => {
    clearTimeout(this.#patience);
    this.#stage = new Stage(this.#gl);
    this.#stage.setTheme(this.#theme);
    this.paint(this.#tiles);
  };

  resize(width: number, height: number, ratio: number): void {
    this.#ratio = ratio;
    this.#canvas.width = Math.max(1, Math.round(width * ratio));
    this.#canvas.height = Math.max(1, Math.round(height * ratio));
  }

  setTheme(theme: Theme): void {
    if (theme === this.#theme) return;
    this.#theme = theme;
    if (!this.#gl.isContextLost()) this.#stage.setTheme(theme);
  }

  paint(tiles: readonly Tile[]): void {
    this.#tiles = tiles;
    if (this.#gl.isContextLost()) return;
    const shown = tiles.filter((tile) => tile.rows * tile.columns > 0);
    const boxes = shown.map((tile) => boxOf(tile, this.#ratio));
    this.#kept.begin();
    const cells = shown.map((tile, place) => this.#kept.of(tile, boxes[place]!));
    this.#kept.end((key) => this.#stage.textures.release(key));
    const slots = this.#stage.textures.hold(shown.map((tile, place) => [tile.key, cells[place] as Cells]));
    const instances = new Float32Array(shown.length * INSTANCE_FLOATS);
    shown.forEach((tile, place) => {
      const { left, top, width, height } = boxes[place]!;
      const { columns, rows, planes } = cells[place]!;
      const slot = slots[place];
      if (!slot) return; // no texture has room for it: a box of no size is not drawn
      const ramp = RAMP_ROWS.indexOf(rampOf(tile));
      const row = [left, top, width, height, slot.x, slot.y, slot.layer, columns, rows, gainOf(tile), ramp, planes];
      instances.set(row, place * INSTANCE_FLOATS);
      instances[place * INSTANCE_FLOATS + row.length] = tile.dim ?? 0;
    });
    this.#stage.draw(instances, this.#canvas.width, this.#canvas.height);
  }

  snapshot(): string {
    this.paint(this.#tiles);
    return this.#canvas.toDataURL('image/png');
  }

  destroy(): void {
    clearTimeout(this.#patience);
    this.#canvas.removeEventListener('webglcontextlost', this.#wait);
    this.#canvas.removeEventListener('webglcontextrestored', this.#restore);
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext(); // browsers allow few contexts at a time
  }
}
