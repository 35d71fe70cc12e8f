// Every way in which a request can go wrong ends as one kind of error.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { address, get, getPack, path, post } from './api';

const answering = (answer: Response | Error) =>
  vi.stubGlobal(
    'fetch',
    vi.fn(() =>
      answer instanceof Error || answer instanceof DOMException ? Promise.reject(answer) : Promise.resolve(answer),
    ),
  );

afterEach(() => vi.unstubAllGlobals());

describe('an address', () => {
  it('encodes what is put into it', () => {
    expect(path`/api/runs/${'a/b ä'}/inputs/${3}`).toBe('/api/runs/a%2Fb%20%C3%A4/inputs/3');
    expect(address('/api/x', { step: 0, image: 'test:4', wrong: false, truth: null, k: undefined })).toBe(
      '/api/x?step=0&image=test%3A4&wrong=false',
    );
    expect(address('/api/x', { truth: null })).toBe('/api/x');
  });
});

describe('a refusal', () => {
  it('keeps the engine’s kind, message and hint', async () => {
    answering(
      Response.json({ error: 'RunError', message: 'There is no run.', hint: 'See the list.' }, { status: 404 }),
    );
    await expect(get('/api/x')).rejects.toMatchObject({
      name: 'ApiError',
      status: 404,
      kind: 'RunError',
      message: 'There is no run.',
      hint: 'See the list.',
    });
  });

  it('in another form is still one', async () => {
    answering(new Response('<h1>Bad gateway</h1>', { status: 502, statusText: 'Bad Gateway' }));
    await expect(post('/api/x', {})).rejects.toMatchObject({
      status: 502,
      kind: 'Unreadable',
      message: '502 Bad Gateway',
    });
  });

  it('of the network is "Offline", and leaving is no error of ours', async () => {
    answering(new TypeError('Failed to fetch'));
    await expect(get('/api/x')).rejects.toMatchObject({ status: 0, kind: 'Offline' });
    answering(new DOMException('left', 'AbortError'));
    await expect(get('/api/x')).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('names an answer that cannot be read', async () => {
    answering(new Response('{"cut": '));
    await expect(get('/api/x')).rejects.toMatchObject({ kind: 'Unreadable' });
    answering(new Response('no pack at all'));
    await expect(getPack('/api/y')).rejects.toMatchObject({ kind: 'BrokenPack' });
  });
});

describe('what is sent', () => {
  it('goes as what it is', async () => {
    for (const [content, type] of [
      [{ wish: 'go' }, 'application/json'],
      [new Uint8Array([1]), 'application/octet-stream'],
      [new Blob(['x'], { type: 'image/png' }), 'image/png'],
    ] as const) {
      answering(Response.json({}));
      await post('/api/x', content);
      expect(vi.mocked(fetch).mock.calls[0]?.[1]).toMatchObject({ method: 'POST', headers: { 'Content-Type': type } });
    }
  });
});
