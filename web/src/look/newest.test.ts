// Newest: what was overtaken is never shown, and strokes never pile up.
import { expect, it } from 'vitest';
import { Newest } from './newest';

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const never = (error: unknown): void => {
  throw error;
};

it('gives up the task before', async () => {
  const newest = new Newest();
  const seen: string[] = [];
  const slow = newest.run(async (signal) => {
    await pause(20);
    signal.throwIfAborted();
    seen.push('slow');
  }, never);
  const quick = newest.run(async () => void seen.push('quick'), never);
  await Promise.all([slow, quick]);
  expect(seen).toEqual(['quick']);
});

it('tells of an error of the task that counts', async () => {
  const errors: unknown[] = [];
  await new Newest().run(
    () => Promise.reject(new Error('no')),
    (error) => errors.push(error),
  );
  expect(errors).toHaveLength(1);
});

it('runs one at a time, and of those that wait the last', async () => {
  const newest = new Newest();
  const seen: number[] = [];
  let together = 0;
  const stroke = (n: number) => async (): Promise<void> => {
    together += 1;
    expect(together).toBe(1);
    await pause(5);
    together -= 1;
    seen.push(n);
  };
  const first = newest.queue(stroke(1), never);
  for (const n of [2, 3, 4]) void newest.queue(stroke(n), never);
  await first;
  expect(seen).toEqual([1, 4]);
});

it('goes on after one that failed', async () => {
  const newest = new Newest();
  const errors: unknown[] = [];
  const seen: number[] = [];
  const first = newest.queue(
    () => Promise.reject(new Error('no')),
    (error) => errors.push(error),
  );
  void newest.queue(async () => void seen.push(2), never);
  await first;
  expect([errors.length, seen]).toEqual([1, [2]]);
});
