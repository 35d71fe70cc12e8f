// The runs as the server knows them: asked for often while one trains, seldom else, never while nobody looks.
import { asProblem, get, type ApiError } from '../../wire/api';
import type { Headline } from '../types';

const LIVELY_PAUSE_MS = 2_000;
const CALM_PAUSE_MS = 10_000;
const LOOK_SHARE = 0.1; // of the time at most is spent on looks: many long logs take the server a while to read

const isLive = ({ state }: Headline): boolean => state === 'training' || state === 'paused';

export class RunList {
  runs: Headline[] | null = $state.raw(null);
  problem: ApiError | null = $state.raw(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Asks again and again until the function that it returns is called. */
  follow(): () => void {
    const show = (): void => {
      if (!document.hidden) void this.look();
    };
    document.addEventListener('visibilitychange', show);
    void this.look();
    return () => {
      document.removeEventListener('visibilitychange', show);
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  async look(): Promise<void> {
    clearTimeout(this.#timer);
    const mine = (this.#timer = setTimeout(() => undefined, 0));
    const asked = performance.now();
    try {
      const runs = await get<Headline[]>('/api/runs');
      // An equal answer wakes nobody.
      if (JSON.stringify(runs) !== JSON.stringify(this.runs)) this.runs = runs;
      this.problem = null;
    } catch (error) {
      this.problem = asProblem(error);
    }
    if (this.#timer !== mine || document.hidden) return;
    const usual = this.runs?.some(isLive) ? LIVELY_PAUSE_MS : CALM_PAUSE_MS;
    this.#timer = setTimeout(() => void this.look(), Math.max(usual, (performance.now() - asked) / LOOK_SHARE));
  }

  /** The runs that have every word of `text` in their name, model, data or state. */
  fitting(text: string): Headline[] {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    return (this.runs ?? []).filter(({ name, model, data, state }) => {
      const said = [name, model, data, state].join(' ').toLowerCase();
      return wanted.every((word) => said.includes(word));
    });
  }
}
