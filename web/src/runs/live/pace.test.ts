// Time left follows the pace of the last steps; health is judged about 0.001.
import { describe, expect, it } from 'vitest';
import { Column } from './columns';
import { healthColour, healthOf, timeLeft } from './pace';

function secondsOf(count: number, at: (index: number) => number): Column {
  const column = new Column();
  for (let index = 0; index < count; index++) column.push(at(index));
  return column;
}

describe('the time left', () => {
  it('is the steps to come at the present pace', () => {
    expect(
      timeLeft(
        secondsOf(100, (index) => index / 10),
        100,
        600,
      ),
    ).toBeCloseTo(50);
  });

  it('forgets a slow beginning', () => {
    const seconds = secondsOf(1000, (index) => (index < 500 ? index : 500 + (index - 500) / 100));
    expect(timeLeft(seconds, 1000, 2000)).toBeCloseTo(10);
  });

  it('is not guessed from too little', () => {
    expect(
      timeLeft(
        secondsOf(4, (index) => index),
        4,
        100,
      ),
    ).toBeNull();
    expect(timeLeft(new Column(), 0, 100)).toBeNull();
  });

  it('is nothing at the end', () => expect(timeLeft(new Column(), 100, 100)).toBe(0));
});

describe('health', () => {
  it.each([
    [0, 'still'],
    [1e-6, 'slow'],
    [1e-3, 'healthy'],
    [0.05, 'fast'],
    [0.5, 'wild'],
    [null, 'unknown'],
    [NaN, 'unknown'],
  ])('of %s is %s', (ratio, word) => expect(healthOf(ratio)).toBe(word));

  it('is 0 on the colour scale at 0.001 and ends a hundredfold away', () => {
    expect(healthColour(1e-3)).toBeCloseTo(0);
    expect(healthColour(1)).toBe(1);
    expect(healthColour(1e-9)).toBe(-1);
    expect(healthColour(0)).toBe(-1);
    expect(healthColour(null)).toBeNaN();
  });
});
