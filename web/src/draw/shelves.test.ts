import { expect, test } from 'vitest';
import { Shelves, type Slot } from './shelves';

const overlap = (a: Slot, b: Slot) =>
  a.layer === b.layer && a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

test('places never overlap and never leave the layer', () => {
  const shelves = new Shelves(64, 4);
  const slots: Slot[] = [];
  for (let k = 0; k < 200; k++) {
    const slot = shelves.place(1 + ((k * 7) % 13), 1 + ((k * 5) % 11));
    if (slot) slots.push(slot);
  }
  expect(slots.length).toBeGreaterThan(150);
  for (const [k, a] of slots.entries()) {
    expect(a.x + a.width <= 64 && a.y + a.height <= 64 && a.layer < 4).toBe(true);
    for (const b of slots.slice(k + 1)) expect(overlap(a, b)).toBe(false);
  }
});

test('tiles of one size leave nothing over but the edges', () => {
  const shelves = new Shelves(2048, 1);
  let count = 0;
  while (shelves.place(28, 28)) count++;
  expect(count).toBe(73 * 73);
});

test('a released place is used again, and a full layer opens the next', () => {
  const shelves = new Shelves(8, 2);
  const first = shelves.place(8, 8)!;
  expect(shelves.place(8, 8)).toMatchObject({ layer: 1 });
  expect(shelves.place(8, 8)).toBeNull();
  shelves.release(first);
  expect(shelves.place(8, 8)).toEqual(first);
  expect(shelves.layers).toBe(2);
});

test('what is larger than a layer has no place', () => {
  expect(new Shelves(8, 2).place(9, 1)).toBeNull();
});
