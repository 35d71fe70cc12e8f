// Answers on a run's images or texts, page after page, each with its pixels or its words.
import { asProblem, get, isAbort, path, type ApiError } from '../../wire/api';
import type { AnswerCard, AnswerPage } from '../types';
import { texts } from './texts';
import { thumbnails, type Pixels } from './thumbnails';

export type Order = 'loss' | 'index' | 'confidence';

export interface Asked {
  truth: number | null;
  predicted: number | null;
  wrong: boolean;
  order: Order;
}

export class Answers {
  answers: AnswerCard[] = $state.raw([]);
  pixels: ReadonlyMap<string, Pixels> = $state.raw(new Map());
  texts: ReadonlyMap<string, string> = $state.raw(new Map());
  total: number | null = $state(null);
  busy = $state(false);
  problem: ApiError | null = $state.raw(null);
  #leaving = new AbortController();

  constructor(
    readonly run: string,
    readonly version: string,
    readonly asked: Asked,
    readonly atOnce: number,
    readonly isText: boolean,
  ) {
    void this.more();
  }

  get isWhole(): boolean {
    return this.total !== null && this.answers.length >= this.total;
  }

  /** Brings the next page. */
  async more(): Promise<void> {
    if (this.busy || this.isWhole) return;
    this.busy = true;
    this.problem = null;
    const { signal } = this.#leaving;
    try {
      const query = { ...this.asked, offset: this.answers.length, limit: this.atOnce, v: this.version };
      const page = await get<AnswerPage>(path`/api/runs/${this.run}/answers`, query, { signal });
      this.answers = [...this.answers, ...page.answers];
      this.total = page.total;
      const images = page.answers.map(({ image }) => image);
      if (this.isText) {
        this.texts = new Map([...this.texts, ...(await texts(this.run, this.version, images, signal))]);
      } else {
        await thumbnails(this.run, this.version, images, signal, (some) => {
          this.pixels = new Map([...this.pixels, ...some]);
        });
      }
    } catch (error) {
      if (!isAbort(error)) this.problem = asProblem(error);
    }
    this.busy = false;
  }

  /** Lets go of what is still on its way. */
  leave(): void {
    this.#leaving.abort();
  }
}
