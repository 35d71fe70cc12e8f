// Brings a part of the page that is loaded when it is first wanted, and finds out why it did not come.
import { ApiError, asProblem, get } from '../wire/api';

/**
 * The part that `load` brings.
 *
 * Throws ApiError "Offline" where nobody answers, and "OtherVersion" where the server answers but the part is gone: the
 * page was opened before Convoscope was renewed, and the names of its parts have changed.
 */
export async function arrive<Part>(load: () => Promise<Part>): Promise<Part> {
  try {
    return await load();
  } catch (error) {
    console.error(error);
    const isOffline = await get('/api/health').then(
      () => false,
      (problem: unknown) => asProblem(problem).kind === 'Offline',
    );
    throw new ApiError(0, isOffline ? 'Offline' : 'OtherVersion', '');
  }
}
