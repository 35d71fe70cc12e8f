// One run as its screen sees it: what the server says of it, what its events tell, and the state that follows from both.
import { asProblem, get, path, type ApiError } from '../wire/api';
import { RunHistory } from './live/history.svelte';
import type { RunDetail, RunState } from './types';

const LOOK_PAUSE_MS = 4_000;
const LOOK_SHARE = 0.1; // of the time at most is spent on looks: a long log takes the server a while to read

const isLive = (state: RunState): boolean => state === 'training' || state === 'paused';

export class OpenedRun {
  readonly history = new RunHistory();
  detail: RunDetail | null = $state.raw(null);
  problem: ApiError | null = $state.raw(null);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unfollow = (): void => undefined;
  #left = false;

  /** Events are quicker than the next look; a trainer that died tells nothing, so that only a look finds out. */
  readonly state: RunState | null = $derived.by(() => {
    const known = this.detail?.headline.state ?? null;
    if (known === null || !isLive(known)) return known;
    return this.history.turn?.event === 'paused' ? 'paused' : 'training';
  });

  constructor(readonly run: string) {}

  /** Follows the run until the function that it returns is called. */
  follow(): () => void {
    this.#unfollow = this.history.follow(this.run);
    void this.look();
    return () => {
      this.#left = true;
      clearTimeout(this.#timer);
      this.#unfollow();
    };
  }

  async look(): Promise<void> {
    clearTimeout(this.#timer);
    const asked = performance.now();
    try {
      const detail = await get<RunDetail>(path`/api/runs/${this.run}`);
      if (this.detail && detail.version !== this.detail.version && !this.#left) this.#beginAnew();
      if (JSON.stringify(detail) !== JSON.stringify(this.detail)) this.detail = detail;
      this.problem = null;
    } catch (error) {
      this.problem = asProblem(error);
    }
    clearTimeout(this.#timer);
    const goesOn = this.problem?.status === 0 || (this.state !== null && isLive(this.state));
    const pause = Math.max(LOOK_PAUSE_MS, (performance.now() - asked) / LOOK_SHARE);
    if (!this.#left && goesOn) this.#timer = setTimeout(() => void this.look(), pause);
  }

  /** Another run has taken the name: a log longer than the one before would look like its continuation. */
  #beginAnew(): void {
    this.#unfollow();
    this.history.forget();
    this.#unfollow = this.history.follow(this.run);
  }
}
