// How the server says no, as one kind of error for every screen.

/** An answer that is a refusal: what was wrong, and what to do. */
export class ApiError extends Error {
  override name = 'ApiError';

  /**
   * `status` is the HTTP status, 0 where no answer came. `kind` is the class of error in the engine ("RunError"), or
   * "Offline", "BrokenPack" or "Unreadable" where the page itself found the fault.
   */
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
    readonly hint = '',
  ) {
    super(message);
  }
}

/** The refusal in an answer; an answer in another form, such as a proxy's, becomes "Unreadable". */
export async function problemOf(answer: Response): Promise<ApiError> {
  const body: unknown = await answer.json().catch(() => null);
  if (typeof body === 'object' && body !== null && 'error' in body && 'message' in body) {
    const hint = 'hint' in body ? String(body.hint) : '';
    return new ApiError(answer.status, String(body.error), String(body.message), hint);
  }
  return new ApiError(answer.status, 'Unreadable', `${answer.status} ${answer.statusText}`.trim());
}

/** Whether an error only says that nobody waits for the answer any more. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Any error as one that a screen can show. */
export function asProblem(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(0, 'Unreadable', error instanceof Error ? error.message : String(error));
}
