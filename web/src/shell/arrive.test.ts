// A part of the page that does not come: is nobody there, or is it of another version?
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { arrive } from './arrive';

const gone = () => Promise.reject(new TypeError('Failed to fetch dynamically imported module'));
const why = (fetched: () => Promise<Response>): Promise<unknown> => {
  vi.stubGlobal('fetch', fetched);
  return arrive(gone).catch((error: unknown) => error);
};

beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined));
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('a part of the page', () => {
  it('is handed over when it comes', async () => expect(await arrive(() => Promise.resolve(7))).toBe(7));

  it('that is gone while the server answers is of another version', async () => {
    expect(await why(() => Promise.resolve(Response.json({ name: 'convoscope' })))).toMatchObject({
      kind: 'OtherVersion',
    });
    expect(await why(() => Promise.resolve(new Response('', { status: 500 })))).toMatchObject({ kind: 'OtherVersion' });
  });

  it('that does not come because nobody is there says so', async () => {
    expect(await why(() => Promise.reject(new TypeError('Failed to fetch')))).toMatchObject({ kind: 'Offline' });
  });
});
