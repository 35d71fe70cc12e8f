// Follows a run's events as they happen: all from a line on, each once, in order, through every break of the connection.
import { path } from './api';
import { ApiError } from './problem';

/** One line of a run's log. */
export interface Line<Event = Record<string, unknown> & { event: string }> {
  line: number;
  event: Event;
}

/** How the connection stands: "waiting" is between two tries. */
export type Standing = 'connecting' | 'live' | 'waiting';

export interface Follower<Event> {
  /** The first line wanted; 0 is the run's beginning. */
  from?: number;
  /** New lines, gathered to one call for each frame drawn. */
  onLines(lines: Line<Event>[]): void;
  /** The log is another one than before, as of a run made anew under the same name: all lines come again from the first. */
  onAnew?(): void;
  onStanding?(standing: Standing): void;
  /** The server refused for good; nothing more will come. */
  onProblem?(problem: ApiError): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
const SILENCE_MS = 40_000; // the server says at least "nothing new" every 15 s
const HIDDEN_PAUSE_MS = 250; // a page in the background draws no frames

/** Codes with which the server closes for good, and the error that each stands for. */
const REFUSALS: Record<number, [status: number, kind: string]> = {
  4403: [403, 'Forbidden'],
  4404: [404, 'RunError'],
};

function soon(task: () => void): void {
  if (document.hidden) setTimeout(task, HIDDEN_PAUSE_MS);
  else requestAnimationFrame(task);
}

/** Follows `run` until the function that it returns is called. */
export function follow<Event = Line['event']>(run: string, follower: Follower<Event>): () => void {
  let next = follower.from ?? 0;
  let pause = FIRST_PAUSE_MS;
  let gathered: Line<Event>[] = [];
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;

  const deliver = (): void => {
    const lines = gathered;
    gathered = [];
    if (!stopped && lines.length > 0) follower.onLines(lines);
  };

  const take = (lines: Line<Event>[]): void => {
    const [first, last] = [lines[0], lines.at(-1)];
    if (first === undefined || last === undefined) return;
    if (first.line < next) {
      // The server tells each line once; a smaller number than the one expected begins another log.
      gathered = [];
      follower.onAnew?.();
    }
    next = last.line + 1;
    if (gathered.length === 0) soon(deliver);
    gathered.push(...lines);
  };

  const listen = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => retry(), SILENCE_MS);
  };

  const leave = (): void => {
    clearTimeout(timer);
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    socket = null;
  };

  const retry = (): void => {
    leave();
    follower.onStanding?.('waiting');
    timer = setTimeout(connect, pause * (0.75 + Math.random() / 2)); // spread, so that many pages do not come at once
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  };

  const refuse = (code: number, reason: string): boolean => {
    const refusal = REFUSALS[code];
    if (refusal === undefined) return false;
    stop();
    follower.onProblem?.(new ApiError(...refusal, reason));
    return true;
  };

  const connect = (): void => {
    follower.onStanding?.('connecting');
    const where = new URL(`${path`/api/runs/${run}/live`}?from=${next}`, location.href);
    where.protocol = where.protocol.replace('http', 'ws');
    socket = new WebSocket(where);
    listen();
    socket.onopen = () => follower.onStanding?.('live');
    socket.onmessage = (message: MessageEvent<string>) => {
      pause = FIRST_PAUSE_MS;
      listen();
      take(JSON.parse(message.data) as Line<Event>[]);
    };
    socket.onclose = ({ code, reason }) => refuse(code, reason) || retry();
  };

  const stop = (): void => {
    deliver();
    stopped = true;
    leave();
  };

  connect();
  return () => {
    stopped = true;
    leave();
  };
}
