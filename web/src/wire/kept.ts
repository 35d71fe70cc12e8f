// Keeps what was fetched, the most recently used within a budget of bytes, and lets many wait for one fetch.

interface Flight<T> {
  answer: Promise<T>;
  stop: AbortController;
  waiting: number;
}

/** What a fetch brings: the value, how large it is, and whether it stays true and so may be kept. */
export interface Brought<T> {
  value: T;
  bytes: number;
  keep: boolean;
}

export class Kept<T> {
  // A Map remembers the order of insertion: the first is the one used longest ago.
  readonly #values = new Map<string, { value: T; bytes: number }>();
  readonly #flights = new Map<string, Flight<T>>();
  #bytes = 0;

  constructor(readonly budgetBytes: number) {}

  /** How many bytes are kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The value if it is here already; counts as a use. */
  peek(key: string): T | undefined {
    const entry = this.#values.get(key);
    if (entry === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, entry);
    return entry.value;
  }

  /**
   * The value, kept or fetched. Who asks while the same fetch is under way waits for that one; it is aborted when
   * every one of them has lost interest, and only then.
   */
  async get(key: string, bring: (signal: AbortSignal) => Promise<Brought<T>>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const here = this.peek(key);
    if (here !== undefined) return here;
    const flight = this.#flights.get(key) ?? this.#start(key, bring);
    flight.waiting += 1;
    if (!signal) return flight.answer;
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        flight.waiting -= 1;
        if (flight.waiting === 0) this.#abort(key, flight);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
      flight.answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  #start(key: string, bring: (signal: AbortSignal) => Promise<Brought<T>>): Flight<T> {
    const stop = new AbortController();
    const answer = bring(stop.signal).then(
      (brought) => {
        this.#land(key, flight);
        if (brought.keep) this.#keep(key, brought);
        return brought.value;
      },
      (error: unknown) => {
        this.#land(key, flight);
        throw error;
      },
    );
    const flight: Flight<T> = { answer, stop, waiting: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  #abort(key: string, flight: Flight<T>): void {
    this.#land(key, flight); // who asks from now on starts a fetch of their own
    flight.stop.abort();
    flight.answer.catch(() => undefined); // nobody waits for this error
  }

  #land(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }

  #keep(key: string, { value, bytes }: Brought<T>): void {
    if (bytes > this.budgetBytes) return;
    this.#values.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#values) {
      if (this.#bytes <= this.budgetBytes) break;
      this.#values.delete(oldest);
      this.#bytes -= entry.bytes;
    }
  }
}
