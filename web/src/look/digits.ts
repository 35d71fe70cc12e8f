// Digits: a number as text, in the fewest digits that give the same number back, as numpy writes it.

const SMALLEST_PLAIN = 1e-4;
const LARGEST_PLAIN = { float32: 1e6, float64: 1e16 };
const MOST_DIGITS = 9; // that a float32 can need: it has 24 bits
const ALL_DIGITS = 60; // enough to see whether a float32 lies right between two decimals

/**
 * A recorded number as text: "-0.169905", "1e-07", "nan".
 *
 * @param value the number; a text ("nan", "inf", "-inf") is one that JSON cannot write
 * @param dtype how many digits it has: a "float32" needs fewer than a "float64"
 */
export function digits(value: number | string, dtype: string = 'float32'): string {
  if (typeof value === 'string') return value;
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const size = Math.abs(value);
  const shortest = dtype === 'float64' ? size.toExponential() : shortestFloat32(size);
  const [mantissa = '', exponent = '0'] = shortest.split('e');
  const isPlain = size >= SMALLEST_PLAIN && size < LARGEST_PLAIN[dtype === 'float64' ? 'float64' : 'float32'];
  const text = (isPlain ? plain : scientific)(mantissa, Number(exponent));
  return value < 0 ? `-${text}` : text;
}

/** The shortest "d.ddde+x" that is rounded to this float32; of those the nearest to it, of two as near the even one. */
function shortestFloat32(size: number): string {
  for (let n = 0; n < MOST_DIGITS; n += 1) {
    const nearest = nearestDecimal(size, n);
    if (Math.fround(Number(nearest)) === size) return nearest;
    // Below a power of two floats lie closer than above it: the next decimal may fit where the nearest does not.
    const next = neighbour(nearest, 1);
    if (Math.fround(Number(next)) === size) return next;
  }
  return size.toExponential(); // no float32: the double that it is
}

function nearestDecimal(size: number, n: number): string {
  const above = size.toExponential(n); // of two as near, JavaScript takes the larger
  const isTie = size
    .toExponential(ALL_DIGITS)
    .replace(/e.*/, '')
    .slice(n === 0 ? 2 : n + 2);
  const isOdd = Number(above.replace(/e.*/, '').at(-1)) % 2 === 1;
  return isOdd && /^50*$/.test(isTie) ? neighbour(above, -1) : above;
}

/** The decimal whose last digit is one more, or one less. */
function neighbour(decimal: string, by: 1 | -1): string {
  const [mantissa = '', exponent = '0'] = decimal.split('e');
  const n = mantissa.length > 1 ? mantissa.length - 2 : 0;
  const whole = Number(mantissa.replace('.', '')) + by;
  return Number(`${whole}e${Number(exponent) - n}`).toExponential(n);
}

function plain(mantissa: string, exponent: number): string {
  const [whole = '', part = ''] = mantissa.split('.');
  const all = whole + part;
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${all}`;
  const padded = all.padEnd(exponent + 2, '0');
  const after = padded.slice(exponent + 1).replace(/0+$/, '') || '0';
  return `${padded.slice(0, exponent + 1)}.${after}`;
}

function scientific(mantissa: string, exponent: number): string {
  const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  return `${trimmed}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/** A number in about `n` digits, for a label that need not be exact. */
export function rough(value: number | string, n = 3): string {
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return digits(value);
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 10 ** Math.max(n + 1, 5) || size < SMALLEST_PLAIN)
    return value.toExponential(n - 1).replace(/\.?0+e/, 'e');
  return size >= 10 ** n ? String(Math.round(value)) : String(Number(value.toPrecision(n)));
}
