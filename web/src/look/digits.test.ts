// Digits: as numpy writes a float32, and always enough to read the same number back.
import { describe, expect, it } from 'vitest';
import { digits, rough } from './digits';

describe('digits', () => {
  // Each right side is str(numpy.float32(left side)).
  it.each([
    [0.1, '0.1'],
    [-0.169905, '-0.169905'],
    [1, '1.0'],
    [-2.5, '-2.5'],
    [123456.789, '123456.79'],
    [509662.625, '509662.62'],
    [2515074.25, '2.5150742e+06'],
    [1e6, '1e+06'],
    [16777216, '1.6777216e+07'],
    [1e-4, '1e-04'],
    [0.00012, '0.00012'],
    [1e-45, '1e-45'],
    [2 ** -126, '1.1754944e-38'],
    [2 ** 127, '1.7014118e+38'],
    [2 ** -24, '5.9604645e-08'],
    [0, '0.0'],
    [-0, '-0.0'],
  ])('%d as a float32', (value, text) => expect(digits(Math.fround(value))).toBe(text));

  it.each([
    [0.1, '0.1'],
    [1 / 3, '0.3333333333333333'],
    [1e16, '1e+16'],
    [123456789, '123456789.0'],
    [1e-5, '1e-05'],
  ])('%d as a float64', (value, text) => expect(digits(value, 'float64')).toBe(text));

  it('say what is no number', () => {
    expect([NaN, Infinity, -Infinity, '-inf'].map((value) => digits(value))).toEqual(['nan', 'inf', '-inf', '-inf']);
  });

  it('give every float32 back', () => {
    const bits = new Uint32Array(1);
    const float = new Float32Array(bits.buffer);
    for (let i = 0; i < 20_000; i += 1) {
      bits[0] = (i * 214_013 * 977 + 2_531_011) % 0x7f80_0000;
      expect(Math.fround(Number(digits(float[0] ?? 0)))).toBe(float[0]);
    }
  });
});

describe('rough', () => {
  it.each([
    [0.123456, '0.123'],
    [12.345, '12.3'],
    [1234.5, '1235'],
    [123456, '1.23e+5'],
    [1e-5, '1e-5'],
    [0, '0'],
    ['nan', 'nan'],
  ])('%s', (value, text) => expect(rough(value)).toBe(text));
});
