// How figures of a run are written: shares as per cent, times in words, counts in thousands.
import { language } from '../state/words.svelte';
import { t } from './words';

/** 0.98765 as "98.77 %". What is short of all is never rounded up to all, nor what is more than none down to none. */
export function percent(share: number | null | undefined, digits = 2): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–';
  const least = 10 ** -digits;
  const rounded = Number((100 * share).toFixed(digits));
  const honest = share < 1 && rounded >= 100 ? 100 - least : share > 0 && rounded === 0 ? least : rounded;
  return `${honest.toFixed(digits)} %`;
}

export function count(n: number | null | undefined): string {
  return n === null || n === undefined ? '–' : n.toLocaleString('en-GB');
}

/** Four significant digits, as short as they can be: "0.08312", "1.2e-7", "12,340". */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(2).replace('e+', 'e').replace('-', '−');
  if (size >= 1000) return Math.round(value).toLocaleString('en-GB');
  return String(Number(value.toPrecision(4))).replace('-', '−');
}

/** A time in the two units that matter: "42 s", "3 min 5 s", "2 h 10 min". */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  if (seconds < 9.95) return t('runs.time.seconds', { s: Number(seconds.toFixed(1)) });
  const s = Math.round(seconds);
  const m = Math.floor(s / 60);
  const h = Math.floor(m / 60);
  if (s < 60) return t('runs.time.seconds', { s });
  if (m < 60) return t('runs.time.minutes', { m, s: s % 60 });
  if (h < 24) return t('runs.time.hours', { h, m: m % 60 });
  return t('runs.time.days', { d: Math.floor(h / 24), h: h % 24 });
}

const tag = (): string => (language.current === 'zh' ? 'zh-CN' : 'en-GB');
const STEPS: [Intl.RelativeTimeFormatUnit, number, number][] = [
  ['minute', 60, 60],
  ['hour', 3600, 24],
  ['day', 86_400, 7],
];

/** How long ago a moment was, and after a week its date. */
export function when(moment: string | null, now = Date.now()): string {
  if (!moment) return '–';
  const seconds = (now - Date.parse(moment)) / 1000;
  const relative = new Intl.RelativeTimeFormat(tag(), { numeric: 'auto' });
  if (seconds < 60) return relative.format(0, 'second');
  for (const [unit, size, most] of STEPS) {
    if (seconds < size * most) return relative.format(-Math.floor(seconds / size), unit);
  }
  return new Intl.DateTimeFormat(tag(), { dateStyle: 'medium' }).format(new Date(moment));
}

/** A moment with its date and time, for a title. */
export function moment(text: string | null): string {
  if (!text) return '';
  return new Intl.DateTimeFormat(tag(), { dateStyle: 'long', timeStyle: 'short' }).format(new Date(text));
}
