// Why a text is no value, in a sentence.
import type { Refusal } from './values';
import { t } from './words';

export function refusalText({ why, low = 0, high = 0 }: Refusal): string {
  if (why === 'least') return t('form.refused.least', { low });
  if (why === 'between' || why === 'below')
    return t(`form.refused.${why}`, { low, high: high.toLocaleString('en-GB') });
  return t(`form.refused.${why}`);
}
