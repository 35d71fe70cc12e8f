// The number in view: asked for when the place changes, kept for a while, and brought ahead when a link is pointed at.
import type { NumberCard } from './types';
import { address, asProblem, get, isAbort, path, type ApiError, type Query } from '../wire/api';

const KEPT = 200; // cards
const cards = new Map<string, Promise<NumberCard>>();

const routeOf = (run: string): string => path`/api/runs/${run}/number`;

/** A number's card; who asks for the same one again has it at once. A refusal is not kept. */
export function cardOf(run: string, query: Query): Promise<NumberCard> {
  const key = address(routeOf(run), query);
  const known = cards.get(key);
  if (known) return known;
  const asked = get<NumberCard>(routeOf(run), query);
  asked.catch(() => cards.delete(key));
  cards.set(key, asked);
  for (const oldest of cards.keys()) {
    if (cards.size <= KEPT) break;
    cards.delete(oldest);
  }
  return asked;
}

/** What a panel shows of one number: its card, and the same number term by term for what mattered most. */
export class Opened {
  card = $state.raw<NumberCard | null>(null);
  plain = $state.raw<NumberCard | null>(null);
  problem = $state.raw<ApiError | null>(null);
  busy = $state(false);
  #asked = 0;

  /** Shows the newest that was asked for; the one before stays in view until it is there. */
  async show(run: string, query: Query): Promise<void> {
    const mine = (this.#asked += 1);
    this.busy = true;
    const byTerm = query.by === 'channel' ? { ...query, by: 'term', terms: 20 } : query;
    try {
      const [card, plain] = await Promise.all([cardOf(run, query), cardOf(run, byTerm)]);
      if (mine !== this.#asked) return;
      Object.assign(this, { card, plain, problem: null });
    } catch (error) {
      if (mine !== this.#asked || isAbort(error)) return;
      Object.assign(this, { card: null, plain: null, problem: asProblem(error) });
    } finally {
      if (mine === this.#asked) this.busy = false;
    }
  }
}
