// The scene: what the look screen shows of one run, shared by its network, its input, its panels and its time slider.
import { untrack } from 'svelte';
import { address, asProblem, get, getPack, isAbort, path, peekPack, post, postPack } from '../wire/api';
import type { ApiError, Pack, Query } from '../wire/api';
import { readsTexts } from '../runs/judged/texts';
import type { Pixels } from '../runs/judged/thumbnails';
import { go, place } from '../state/place.svelte';
import { AT_ONCE, atlasQuery } from './asking';
import { drawnSince } from './drawn';
import { DRAWN, drawingOf, isOf, type Drawing, type Field, type Hovered } from './drawing';
import { bringPixels, bringText, isAlike, stepBack } from './example';
import { Folio } from './folio';
import { Newest } from './newest';
import { firstImage } from './places';
import { prefetch } from './prefetch';
import { stopAt, stopsOf, type Stop } from './timeline';
import { columnsOf, linksOf, lossColumn, openByItself, treeOf } from './tree';
import { loopsOf } from './turns';
import type { Atlas, Network, NodeCard, RunDetail, Sight, TextCard } from './types';

export class Scene {
  readonly run: string;
  readonly route: string;
  detail: RunDetail | null = $state.raw(null);
  network: Network | null = $state.raw(null);
  atlas: Drawing | null = $state.raw(null);
  pixels: Pixels | null = $state.raw(null);
  /** The words, of a run that has learnt from texts. */
  text: TextCard | null = $state.raw(null);
  /** Pixels that are being drawn or erased and are not kept yet. */
  drawn: Uint8Array | null = $state.raw(null);
  busy = $state(false);
  problem: ApiError | null = $state.raw(null);
  hovered: Hovered | null = $state.raw(null);
  field: Field | null = $state.raw(null);
  /** The height that the network could fill: so many channels are worth asking for. */
  height = $state(typeof innerHeight === 'undefined' ? 900 : innerHeight);

  readonly nodes: Map<string, NodeCard> = $derived(new Map(this.network?.nodes.map((node) => [node.name, node])));
  readonly tree = $derived(treeOf(this.network?.nodes.filter((node) => node.kind === 'op' && !node.is_loss) ?? []));
  /** The modules that are unfolded: the user's choice, or as many as fit. */
  readonly open = $derived(new Set(place.open.length > 0 ? place.open : openByItself(this.tree)));
  readonly loops = $derived(loopsOf(this.tree));
  readonly columns = $derived([...columnsOf(this.tree, this.open), ...lossColumn(this.network)]);
  readonly links = $derived(linksOf(this.columns, this.network?.input ?? ''));
  readonly stops: Stop[] = $derived.by(() => {
    const { detail } = this;
    return detail ? stopsOf(detail.snapshots, detail.has_weights, detail.headline.step) : [];
  });
  /** The step that is shown, the nearest that is stored: null for the final weights, the newest while there are none. */
  readonly step = $derived(this.stops[stopAt(this.stops, place.step)]?.step ?? null);
  readonly tab: Sight['tab'] = $derived(this.atlas?.sight.tab ?? place.tab); // the picture's: the address may be ahead
  /** Whether the picture shows what the address says. */
  readonly isCurrent = $derived.by(() => {
    const { tab, mode, minus } = place;
    const image = this.drawn ? DRAWN : this.image;
    return this.atlas !== null && isOf(this.atlas.sight, { image, step: this.step, tab, mode, minus });
  });
  readonly image = $derived(place.image ?? firstImage(this.detail));
  /** Whether the run has learnt from texts: the network is then as long as the text in view. */
  readonly isText = $derived(this.detail !== null && readsTexts(this.detail));
  /** The text that the network is of; null for images, whose network is one for all. */
  #networkOf: string | null = $state(null);
  readonly #networks = new Newest();
  readonly #version = $derived(this.detail?.version);
  readonly #folio = new Folio();
  readonly #wanted = new Newest();
  readonly #strokes = new Newest();
  readonly #pictures = new Newest();

  constructor(run: string) {
    this.run = run;
    this.route = path`/api/runs/${run}`;
    void this.refresh();
    $effect(() => this.#loadNetwork());
    $effect(() => this.#loadInput());
    $effect(() => this.#loadAtlas());
    $effect(() => prefetch(this));
  }

  /** The sight's part of every address. */
  query(): Query {
    const { tab, mode, target, minus } = place;
    return { image: this.image, step: this.step, tab, mode, target, minus, v: this.#version };
  }

  /** Reads anew what is known of the run: a snapshot has come, or somebody asks to try again. */
  async refresh(): Promise<void> {
    try {
      this.detail = await get<RunDetail>(this.route);
      this.problem = null;
    } catch (error) {
      this.problem = asProblem(error);
    }
  }

  /** Shows pixels that nobody keeps: a stroke. The newest wins, and only one is under way at a time. */
  show(pixels: Uint8Array): void {
    this.drawn = pixels;
    if (this.pixels) this.pixels = { ...this.pixels, data: pixels };
    this.#sendStroke(performance.now());
  }

  /** Lets go of what was drawn and has no name: back to the image of the address. */
  forget(): void {
    if (!this.drawn) return;
    this.drawn = null;
    this.#loadInput();
    this.#loadAtlas();
  }

  /** Keeps what was drawn, under a name of its own that the address can hold. */
  async keep(): Promise<void> {
    if (this.drawn) await this.upload(this.drawn);
  }

  /** Takes an image file, or a text, as the input. Throws ApiError where the server refuses it. */
  async upload(content: Blob | Uint8Array): Promise<void> {
    const { image } = await post<{ image: string }>(`${this.route}/inputs`, content);
    this.drawn = null;
    go({ image, target: null });
  }

  #loadNetwork(): void {
    const image = this.isText ? this.image : null;
    const query = { mode: place.mode, v: this.#version, image };
    const { mode, version } = untrack(() => this.network) ?? {};
    if (!query.v || (this.isText && !image)) return;
    if (mode === query.mode && version === query.v && untrack(() => this.#networkOf) === image) return;
    void this.#networks.run(async (signal) => {
      const network = await get<Network>(`${this.route}/network`, query, { signal });
      if (!isAlike(this.network, network)) this.network = network;
      this.#networkOf = image;
      const back = image === null ? null : stepBack(place, this.nodes);
      if (back) go(back, { replace: true });
    }, this.#fail);
  }

  #loadInput(): void {
    const { image, isText } = this;
    if (!image || !this.#version) return;
    const query = { images: image, v: this.#version };
    void this.#pictures.run(async (signal) => {
      if (isText) return void (this.text = await bringText(this.route, query, signal));
      this.pixels = await bringPixels(this.route, query, signal);
      this.drawn = null;
    }, this.#fail);
  }

  #loadAtlas(): void {
    if (!this.network || !this.image || (this.isText && this.#networkOf !== this.image)) return;
    const [route, all, since] = [`${this.route}/atlas`, atlasQuery(this), drawnSince.take()];
    if (untrack(() => this.drawn)) return this.#sendStroke(since);
    const nodes = all.nodes.split(',');
    const key = address(route, { ...all, nodes: null });
    const missing = this.#folio.missing(key, nodes);
    const queryOf = (some: string[]): Query => ({ ...all, nodes: some.join(',') });
    const draw = (pack?: Pack<Atlas>): void => {
      if (pack) this.#folio.add(key, drawingOf(pack));
      const drawing = this.#folio.of(nodes);
      if (drawing) this.#draw(drawing, 'scrub', since);
    };
    const here = missing.length > 0 ? peekPack<Atlas>(route, queryOf(missing)) : undefined;
    if (here || missing.length === 0) {
      this.#wanted.stop();
      return draw(here);
    }
    this.busy = true;
    void this.#wanted.run(async (signal) => {
      for (let from = 0; from < missing.length; from += AT_ONCE)
        draw(await getPack<Atlas>(route, queryOf(missing.slice(from, from + AT_ONCE)), { signal }));
    }, this.#fail);
  }

  #sendStroke(since: number | null): void {
    void this.#strokes.queue(async () => {
      const pixels = this.drawn;
      if (!pixels) return;
      const query = { ...atlasQuery(this), image: null, v: null };
      const pack = await postPack<Atlas>(`${this.route}/atlas`, pixels, query);
      if (this.drawn) this.#draw(drawingOf(pack), 'stroke', since);
    }, this.#fail);
  }

  #draw(drawing: Drawing, name: 'scrub' | 'stroke', since: number | null): void {
    this.atlas = drawing;
    this.busy = false;
    this.problem = null;
    void drawnSince.tell(name, since);
  }

  readonly #fail = (error: unknown): void => {
    if (isAbort(error)) return;
    this.busy = false;
    this.problem = asProblem(error);
  };
}
