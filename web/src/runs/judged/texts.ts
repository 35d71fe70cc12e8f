// The texts of an answer's examples, asked for together.
import { get, path } from '../../wire/api';
import type { RunDetail, TextPage } from '../types';

const AT_ONCE = 256; // texts of one answer

/** Whether a run has learnt from texts. */
export const readsTexts = ({ kind }: RunDetail): boolean => kind === 'texts' || kind === 'trees';

/** Texts as the data have them, by the example's name; what the server does not have is not there. */
export async function texts(
  run: string,
  version: string,
  names: string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const query = { images: names.slice(from, from + AT_ONCE).join(','), v: version };
    const page = await get<TextPage>(path`/api/runs/${run}/texts`, query, { signal });
    for (const { image, text } of page.texts) found.set(image, text);
  }
  return found;
}
