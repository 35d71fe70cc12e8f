// Live events: each once and in order, whatever the connection does.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { follow, type Line } from './live';
import type { ApiError } from './problem';

class Socket {
  static made: Socket[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((close: { code: number; reason: string }) => void) | null = null;
  closed = false;

  constructor(readonly where: URL) {
    Socket.made.push(this);
  }
  close(): void {
    this.closed = true;
  }
  send(...lines: number[]): void {
    this.onmessage?.({ data: JSON.stringify(lines.map((line) => ({ line, event: { event: 'step', step: line } }))) });
  }
}

const socket = (): Socket => Socket.made.at(-1) as Socket;
const numbers = (batches: Line[][]): number[][] => batches.map((batch) => batch.map(({ line }) => line));

function watch(from = 0) {
  const batches: Line[][] = [];
  const problems: ApiError[] = [];
  const standings: string[] = [];
  const anew: number[] = []; // how many lines had been handed over each time
  const stop = follow('a b', {
    from,
    onAnew: () => anew.push(batches.flat().length),
    onLines: (lines) => batches.push(lines),
    onProblem: (problem) => problems.push(problem),
    onStanding: (standing) => standings.push(standing),
  });
  return { batches, problems, standings, anew, stop };
}

beforeEach(() => {
  Socket.made = [];
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', Socket);
  vi.stubGlobal('location', { href: 'https://here:1/runs/x' });
  vi.stubGlobal('document', { hidden: false });
  vi.stubGlobal('requestAnimationFrame', (task: () => void) => setTimeout(task, 16));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('following a run', () => {
  it('asks for the run from the line wanted, on the page’s own host', () => {
    watch(7);
    expect(socket().where.href).toBe('wss://here:1/api/runs/a%20b/live?from=7');
  });

  it('hands over what came within a frame at once', () => {
    const { batches } = watch();
    socket().send(0, 1);
    socket().send();
    socket().send(2);
    expect(batches).toEqual([]);
    vi.advanceTimersByTime(16);
    socket().send(3);
    vi.advanceTimersByTime(16);
    expect(numbers(batches)).toEqual([[0, 1, 2], [3]]);
  });

  it('comes back after a break and asks for what is missing, and nothing comes twice', () => {
    const { batches, standings, anew } = watch();
    socket().onopen?.();
    socket().send(0, 1);
    socket().onclose?.({ code: 1006, reason: '' });
    vi.advanceTimersByTime(700);
    expect(Socket.made).toHaveLength(2);
    expect(socket().where.search).toBe('?from=2');
    socket().send(2);
    vi.advanceTimersByTime(16);
    expect(numbers(batches).flat()).toEqual([0, 1, 2]);
    expect(anew).toEqual([]);
    expect(standings).toEqual(['connecting', 'live', 'waiting', 'connecting']);
  });

  it('begins anew with another log, and forgets what of the one before is not handed over yet', () => {
    const { batches, anew } = watch();
    socket().send(0, 1, 2);
    vi.advanceTimersByTime(16);
    socket().send(3, 4);
    socket().send(0, 1);
    expect(anew).toEqual([3]);
    vi.advanceTimersByTime(16);
    expect(numbers(batches)).toEqual([
      [0, 1, 2],
      [0, 1],
    ]);
    socket().onclose?.({ code: 1006, reason: '' });
    vi.advanceTimersByTime(700);
    expect(socket().where.search).toBe('?from=2');
    socket().send(2);
    expect(anew).toEqual([3]);
  });

  it('waits longer each time, up to a bound', () => {
    watch();
    for (let breaks = 0; breaks < 12; breaks += 1) {
      socket().onclose?.({ code: 1006, reason: '' });
      vi.advanceTimersByTime(10_001);
      expect(Socket.made).toHaveLength(breaks + 2);
    }
    socket().onclose?.({ code: 1006, reason: '' });
    vi.advanceTimersByTime(5_999); // 8 s less a quarter
    expect(Socket.made).toHaveLength(13);
  });

  it('gives up a connection that has gone silent', () => {
    watch();
    const first = socket();
    vi.advanceTimersByTime(30_000);
    first.send();
    vi.advanceTimersByTime(39_000);
    expect(first.closed).toBe(false);
    vi.advanceTimersByTime(2_000);
    expect(first.closed).toBe(true);
    expect(Socket.made).toHaveLength(2);
  });

  it('ends when the run is gone, after the last lines', () => {
    const { batches, problems } = watch();
    socket().send(0);
    socket().onclose?.({ code: 4404, reason: 'There is no run "a b".' });
    vi.advanceTimersByTime(60_000);
    expect(numbers(batches)).toEqual([[0]]);
    expect(problems).toMatchObject([{ status: 404, kind: 'RunError', message: 'There is no run "a b".' }]);
    expect(Socket.made).toHaveLength(1);
  });

  it('is still once it is stopped', () => {
    const { batches, stop } = watch();
    socket().send(0);
    stop();
    vi.advanceTimersByTime(60_000);
    expect(batches).toEqual([]);
    expect(socket().closed).toBe(true);
    expect(Socket.made).toHaveLength(1);
  });
});
