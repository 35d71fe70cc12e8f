// The shelf: a part of the data as one long row of images or texts, of which only what is looked at is fetched.
import { texts } from '../../runs/judged/texts';
import { thumbnails, type Pixels } from '../../runs/judged/thumbnails';
import { asProblem, get, isAbort, type ApiError } from '../../wire/api';
import type { components } from '../../wire/schema';
import type { Scene } from '../scene.svelte';
import type { RunDetail } from '../types';
import type { Part } from './named';

type AnswerPage = components['schemas']['AnswerPage'];

/** What is on the shelf: a part, and of the judged one a class or only what went wrong. */
export interface Asked {
  part: Part;
  truth: number | null;
  wrong: boolean;
}

/** An image on the shelf; its classes are known where the network was judged on it. */
export interface Item {
  image: string;
  truth: number | null;
  predicted: number | null;
}

const PAGE = 60;

/** The part that the final network has answers on: the test part, else the validation part; null before there are any. */
export function judgedPart(detail: RunDetail | null): Part | null {
  if (!detail?.has_weights) return null;
  return (['test', 'validation'] as const).find((part) => (detail.counts[part] ?? 0) > 0) ?? null;
}

export class Shelf {
  /** How many images there are; null until that is known. */
  total: number | null = $state(null);
  items: ReadonlyMap<number, Item> = $state.raw(new Map());
  pixels: ReadonlyMap<string, Pixels> = $state.raw(new Map());
  texts: ReadonlyMap<string, string> = $state.raw(new Map());
  problem: ApiError | null = $state.raw(null);
  readonly #scene: Scene;
  readonly #asked: Asked;
  readonly #pages = new Set<number>();
  readonly #leaving = new AbortController();

  constructor(scene: Scene, asked: Asked) {
    this.#scene = scene;
    this.#asked = asked;
    if (!this.#isJudged) this.total = scene.detail?.counts[asked.part] ?? 0;
    this.want(0, 0);
  }

  /** Whether what stands here are texts: they are read, not looked at. */
  get isText(): boolean {
    return this.#scene.isText;
  }

  get #isJudged(): boolean {
    return judgedPart(this.#scene.detail) === this.#asked.part;
  }

  /** Fetches what is missing from one place on the shelf to another. */
  want(from: number, to: number): void {
    for (let page = Math.floor(from / PAGE); page <= Math.floor(to / PAGE); page++) {
      if (this.#pages.has(page) || page * PAGE >= (this.total ?? 1)) continue;
      this.#pages.add(page);
      void this.#bring(page);
    }
  }

  /** Tries again what has failed. */
  again(from: number, to: number): void {
    this.problem = null;
    this.want(from, to);
  }

  leave(): void {
    this.#leaving.abort();
  }

  async #bring(page: number): Promise<void> {
    const { signal } = this.#leaving;
    try {
      const items = this.#isJudged ? await this.#answers(page, signal) : this.#numbered(page);
      this.items = new Map([...this.items, ...items.map((item, k) => [page * PAGE + k, item] as const)]);
      const names = items.map(({ image }) => image);
      const version = this.#scene.detail?.version ?? '';
      if (this.isText) {
        this.texts = new Map([...this.texts, ...(await texts(this.#scene.run, version, names, signal))]);
      } else {
        await thumbnails(this.#scene.run, version, names, signal, (some) => {
          this.pixels = new Map([...this.pixels, ...some]);
        });
      }
    } catch (error) {
      this.#pages.delete(page);
      if (!isAbort(error)) this.problem = asProblem(error);
    }
  }

  async #answers(page: number, signal: AbortSignal): Promise<Item[]> {
    const { truth, wrong } = this.#asked;
    const query = { truth, wrong, order: wrong ? 'loss' : 'index', offset: page * PAGE, limit: PAGE };
    const where = `${this.#scene.route}/answers`;
    const { answers, total } = await get<AnswerPage>(where, { ...query, v: this.#scene.query().v }, { signal });
    this.total = total;
    return answers;
  }

  #numbered(page: number): Item[] {
    const count = Math.min(PAGE, (this.total ?? 0) - page * PAGE);
    return Array.from({ length: Math.max(0, count) }, (_, k) => ({
      image: `${this.#asked.part}:${page * PAGE + k}`,
      truth: null,
      predicted: null,
    }));
  }
}
