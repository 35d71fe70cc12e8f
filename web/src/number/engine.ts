// The engine's English words in the reader's language: rules, meanings and notes, matched by their pattern.
import table from './engine.json';

const phrases: Record<string, string> = table.phrases;
const parts: Record<string, string> = table.parts;
const functions: Record<string, string> = table.functions;
const settings: Record<string, string> = table.settings;
const answers: Record<string, string> = table.answers;

interface Pattern {
  shape: RegExp;
  chinese: string;
  /** Letters in front of the first place, and outside all places: how much a match says. */
  ahead: number;
  weight: number;
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

// A phrase may hold another. The outer one begins with its own words, so the pattern that begins with most goes first.
const patterns: Pattern[] = Object.entries(phrases)
  .filter(([english]) => english.includes('{}'))
  .map(([english, chinese]) => ({
    shape: new RegExp(`^${english.split('{}').map(literally).join('(.+?)')}$`, 's'),
    chinese,
    ahead: english.indexOf('{}'),
    weight: english.replaceAll('{}', '').length,
  }))
  .sort((a, b) => b.ahead - a.ahead || b.weight - a.weight);

/** What the engine said, in Chinese; what no pattern knows (a name, a formula) stays as it is. */
export function inChinese(said: string): string {
  const whole = phrases[said] ?? parts[said];
  if (whole !== undefined) return whole;
  for (const { shape, chinese } of patterns) {
    const found = shape.exec(said);
    if (found) return filled(chinese, found.slice(1).map(inChinese));
  }
  return said;
}

export const engineWords = (said: string, language: string): string => (language === 'zh' ? inChinese(said) : said);

/** A setting of an op, its name and its value: "ceil_mode", "no" is "尺寸向上取整", "否"; names that none knows stay. */
export function settingWords(
  [name = '', text = '']: readonly string[],
  language: string,
): [name: string, text: string] {
  return language === 'zh' ? [settings[name] ?? name, answers[text] ?? text] : [name, text];
}

/** Puts texts into "{}" in order, or into "{0}", "{1}" by number. */
function filled(pattern: string, texts: readonly string[]): string {
  let k = 0;
  return pattern.replace(/\{(\d?)\}/g, (_, place: string) => texts[place === '' ? k++ : Number(place)] ?? '');
}

/** A piece of a function's notation: a text, or the place of an argument. */
export type Piece = string | number;

/** How a function of arguments is written: `1/sqrt({0})` is "1/sqrt(", 0, ")". */
export function notation(name: string): Piece[] {
  const pattern = functions[name] ?? `${name}({0})`;
  return pattern
    .split(/\{(\d)\}/)
    .map((piece, k) => (k % 2 ? Number(piece) : piece))
    .filter((piece) => piece !== '');
}
