// What is kept stays within its bytes, and one fetch serves all who wait.
import { describe, expect, it, vi } from 'vitest';
import { Kept, type Brought } from './kept';

const bringing = (value: string, bytes = 10, keep = true) =>
  vi.fn((): Promise<Brought<string>> => Promise.resolve({ value, bytes, keep }));

describe('what is kept', () => {
  it('is fetched once', async () => {
    const kept = new Kept<string>(100);
    const bring = bringing('a');
    expect(await kept.get('a', bring)).toBe('a');
    expect(await kept.get('a', bring)).toBe('a');
    expect(bring).toHaveBeenCalledOnce();
    expect(kept.peek('a')).toBe('a');
  });

  it('leaves by the order of use once the bytes are spent', async () => {
    const kept = new Kept<string>(25);
    await kept.get('a', bringing('a'));
    await kept.get('b', bringing('b'));
    kept.peek('a');
    await kept.get('c', bringing('c'));
    expect([kept.peek('a'), kept.peek('b'), kept.peek('c')]).toEqual(['a', undefined, 'c']);
    expect(kept.bytes).toBe(20);
  });

  it('has no room for what is larger than all, or does not stay true', async () => {
    const kept = new Kept<string>(25);
    await kept.get('a', bringing('a'));
    expect(await kept.get('large', bringing('large', 26))).toBe('large');
    expect(await kept.get('fleeting', bringing('fleeting', 1, false))).toBe('fleeting');
    expect([kept.peek('a'), kept.peek('large'), kept.peek('fleeting')]).toEqual(['a', undefined, undefined]);
  });

  it('is not an error that was', async () => {
    const kept = new Kept<string>(100);
    await expect(kept.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await kept.get('a', bringing('a'))).toBe('a');
  });
});

describe('a fetch under way', () => {
  /** A fetch that ends when told, or when it is aborted. */
  function slow() {
    let land = (): void => undefined;
    const bring = vi.fn(
      (signal: AbortSignal) =>
        new Promise<Brought<string>>((resolve, reject) => {
          land = () => resolve({ value: 'late', bytes: 1, keep: true });
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    );
    return { bring, land: () => land() };
  }

  it('serves all who wait, and goes on when one of them leaves', async () => {
    const kept = new Kept<string>(100);
    const { bring, land } = slow();
    const leaving = new AbortController();
    const first = kept.get('a', bring, leaving.signal);
    const second = kept.get('a', bring, new AbortController().signal);
    leaving.abort();
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    land();
    expect(await second).toBe('late');
    expect(bring).toHaveBeenCalledOnce();
  });

  it('is aborted when all have left, and a later asker starts anew', async () => {
    const kept = new Kept<string>(100);
    const { bring, land } = slow();
    const leaving = new AbortController();
    const first = kept.get('a', bring, leaving.signal);
    leaving.abort();
    await expect(first).rejects.toMatchObject({ name: 'AbortError' });
    expect(bring.mock.calls[0]?.[0].aborted).toBe(true);
    const again = kept.get('a', bring);
    land();
    expect(await again).toBe('late');
    expect(bring).toHaveBeenCalledTimes(2);
  });

  it('is not begun for one who has left already', async () => {
    const bring = bringing('a');
    await expect(new Kept<string>(1).get('a', bring, AbortSignal.abort())).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(bring).not.toHaveBeenCalled();
  });
});
