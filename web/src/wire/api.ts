// Asks the server: JSON and packs, with one kind of error, and packs that stay true are kept.
import { Kept } from './kept';
import { BrokenPack, readPack, type Pack } from './pack';
import { ApiError, asProblem, isAbort, problemOf } from './problem';

export { ApiError, asProblem, isAbort } from './problem';
export type { Pack, Tensor } from './pack';

export type Query = Record<string, string | number | boolean | null | undefined>;
export interface Options {
  signal?: AbortSignal;
}

const KEPT_BYTES = 192 * 1024 * 1024;
const packs = new Kept<Pack<unknown>>(KEPT_BYTES);

/** A path whose holes are encoded: path`/api/runs/${run}/answers`. */
export function path(fixed: TemplateStringsArray, ...holes: (string | number)[]): string {
  return String.raw({ raw: fixed }, ...holes.map((hole) => encodeURIComponent(hole)));
}

/** The address of a path with a query; null and undefined are left out. */
export function address(route: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${route}?${text}` : route;
}

async function ask(where: string, request: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(where, request);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, 'Offline', '');
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** Reads a body; a connection that breaks in the middle of it is the same to the user as one that never stood. */
async function body<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (isAbort(error)) throw error;
    throw error instanceof SyntaxError ? new ApiError(0, 'Unreadable', error.message) : new ApiError(0, 'Offline', '');
  }
}

function unpack<Meta>(buffer: ArrayBuffer): Pack<Meta> {
  try {
    return readPack<Meta>(buffer);
  } catch (error) {
    if (error instanceof BrokenPack) throw new ApiError(0, 'BrokenPack', error.message);
    throw asProblem(error);
  }
}

/** The JSON at a path. Throws ApiError, or an AbortError once `signal` has fired (see isAbort). */
export async function get<T>(route: string, query: Query = {}, { signal }: Options = {}): Promise<T> {
  const answer = await ask(address(route, query), { signal, headers: { Accept: 'application/json' } });
  return body(answer.json() as Promise<T>);
}

function sent(content: unknown): RequestInit {
  if (content instanceof Blob) {
    return { body: content, headers: { 'Content-Type': content.type || 'application/octet-stream' } };
  }
  if (content instanceof Uint8Array) {
    return { body: content as Uint8Array<ArrayBuffer>, headers: { 'Content-Type': 'application/octet-stream' } };
  }
  return { body: JSON.stringify(content), headers: { 'Content-Type': 'application/json' } };
}

/** Sends JSON, a file or raw bytes, and reads JSON. Throws as `get` does. */
export async function post<T>(
  route: string,
  content: unknown,
  query: Query = {},
  { signal }: Options = {},
): Promise<T> {
  const answer = await ask(address(route, query), { method: 'POST', signal, ...sent(content) });
  return body(answer.json() as Promise<T>);
}

/** The pack at an address. One that the server calls immutable is kept, and the next asker has it at once. */
export async function getPack<Meta>(route: string, query: Query = {}, { signal }: Options = {}): Promise<Pack<Meta>> {
  const where = address(route, query);
  const bring = async (stop: AbortSignal) => {
    const answer = await ask(where, { signal: stop });
    const buffer = await body(answer.arrayBuffer());
    const keep = answer.headers.get('Cache-Control')?.includes('immutable') ?? false;
    return { value: unpack(buffer), bytes: buffer.byteLength, keep };
  };
  return (await packs.get(where, bring, signal)) as Pack<Meta>;
}

/** The pack if it is kept already, without waiting: what a slider draws in the same frame. */
export function peekPack<Meta>(route: string, query: Query = {}): Pack<Meta> | undefined {
  return packs.peek(address(route, query)) as Pack<Meta> | undefined;
}

/** Sends raw bytes and reads a pack; nothing is kept. */
export async function postPack<Meta>(
  route: string,
  content: Uint8Array,
  query: Query = {},
  { signal }: Options = {},
): Promise<Pack<Meta>> {
  const answer = await ask(address(route, query), { method: 'POST', signal, ...sent(content) });
  return unpack<Meta>(await body(answer.arrayBuffer()));
}
