// Newest: of tasks that each replace the one before, only the newest counts.

type Task = (signal: AbortSignal) => Promise<void>;
type Fail = (error: unknown) => void;

export class Newest {
  #stop: AbortController | null = null;
  #running = false;
  #next: (() => Promise<void>) | null = null;

  /** Starts a task and gives up the one before; its error goes to `fail`, unless it was itself given up. */
  async run(task: Task, fail: Fail): Promise<void> {
    this.stop();
    const mine = new AbortController();
    this.#stop = mine;
    try {
      await task(mine.signal);
    } catch (error) {
      if (!mine.signal.aborted) fail(error);
    }
  }

  /** Gives up the task under way. */
  stop(): void {
    this.#stop?.abort();
    this.#stop = null;
  }

  /** Starts a task when the one under way has ended; of those that wait meanwhile only the last is ever started. */
  async queue(task: () => Promise<void>, fail: Fail): Promise<void> {
    this.#next = task;
    if (this.#running) return;
    this.#running = true;
    while (this.#next) {
      const next = this.#next;
      this.#next = null;
      await next().catch(fail);
    }
    this.#running = false;
  }
}
