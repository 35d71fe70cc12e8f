// Starts training in a process of its own and waits until there is a run to look at.
import { ApiError, get, path, post } from '../wire/api';
import type { Launch } from './types';

const PAUSE_MS = 300;

const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

/** The run that a launch leads to. Throws ApiError with what the trainer said where it could not begin. */
export async function arrive(id: string, signal?: AbortSignal): Promise<string> {
  for (;;) {
    signal?.throwIfAborted();
    const launch = await get<Launch>(path`/api/launches/${id}`, {}, { signal });
    if (launch.state === 'failed') throw refused(launch);
    if (launch.state === 'started' && launch.run) return launch.run;
    await pause(PAUSE_MS);
  }
}

/** Starts a run with these knobs; returns its name once it has a folder. */
export async function start(values: Record<string, unknown>, signal?: AbortSignal): Promise<string> {
  const launch = await post<Launch>('/api/runs', { values }, {}, { signal });
  if (launch.state === 'failed') throw refused(launch);
  return launch.state === 'started' && launch.run ? launch.run : arrive(launch.id, signal);
}

function refused({ error, hint }: Launch): ApiError {
  return new ApiError(400, 'TrainingFailed', error, hint);
}
