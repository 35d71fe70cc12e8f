// Undo and redo: back and forth, and no further than there is something.
import { describe, expect, it } from 'vitest';
import { begun, done, redone, undone } from './history';

const after = (...steps: string[]) => steps.reduce((history, step) => done(history, step, 3), begun('blank'));

describe('a history', () => {
  it('goes back and forth', () => {
    const history = after('a', 'b');
    expect(undone(history).present).toBe('a');
    expect(undone(undone(history)).present).toBe('blank');
    expect(redone(undone(history))).toEqual(history);
  });

  it('ends at both ends', () => {
    const start = begun('blank');
    expect(undone(start)).toBe(start);
    expect(redone(after('a'))).toEqual(after('a'));
  });

  it('forgets what was undone when something new is done', () => {
    const history = done(undone(after('a', 'b')), 'c', 3);
    expect(redone(history).present).toBe('c');
    expect(undone(history).present).toBe('a');
  });

  it('keeps the newest of a long past', () => {
    expect(after('a', 'b', 'c', 'd', 'e').past).toEqual(['b', 'c', 'd']);
  });
});
