// A panel's pack: the newest that was asked for; the one before stays in view until it is there.
import { asProblem, getPack, type ApiError, type Pack, type Query } from '../../wire/api';
import { Newest } from '../newest';

export class Held<Meta> {
  pack: Pack<Meta> | null = $state.raw(null);
  problem: ApiError | null = $state.raw(null);
  busy = $state(false);
  readonly #newest = new Newest();

  show(route: string, query: Query): void {
    this.busy = true;
    void this.#newest.run(
      async (signal) => {
        this.pack = await getPack<Meta>(route, query, { signal });
        this.problem = null;
        this.busy = false;
      },
      (error) => {
        this.problem = asProblem(error);
        this.busy = false;
      },
    );
  }

  stop(): void {
    this.#newest.stop();
  }
}
