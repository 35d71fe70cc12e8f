import { expect, test } from 'vitest';
import { moved, numberAt } from './cell';
import { fileName } from './save';

test('the number in a cell', () => {
  expect(numberAt(new Uint8Array([255]), 0, 3, 'value')).toBe(3);
  expect(numberAt(new Uint8Array([1]), 0, 3, 'weight')).toBe(-3);
  expect(numberAt(new Uint8Array([128]), 0, 3, 'value')).toBe(0);
  expect(numberAt(new Uint8Array([0]), 0, 3, 'value')).toBeNaN();
  expect(numberAt(new Uint8Array([0]), 0, 3, 'grey')).toBe(0);
  expect(numberAt(new Float32Array([0.5]), 0, 3, 'value')).toBe(0.5);
});

test('keys move within the map', () => {
  expect(moved(null, 'ArrowDown', 3, 4)).toEqual({ row: 0, column: 0 });
  expect(moved({ row: 0, column: 0 }, 'ArrowUp', 3, 4)).toEqual({ row: 0, column: 0 });
  expect(moved({ row: 1, column: 3 }, 'ArrowRight', 3, 4)).toEqual({ row: 1, column: 3 });
  expect(moved({ row: 1, column: 2 }, 'ArrowDown', 3, 4)).toEqual({ row: 2, column: 2 });
  expect(moved({ row: 1, column: 2 }, 'End', 3, 4)).toEqual({ row: 1, column: 3 });
  expect(moved({ row: 1, column: 2 }, 'a', 3, 4)).toBeNull();
});

test('a file name has nothing that a file system refuses', () => {
  expect(fileName('lenet5-mnist/conv2[5, 4,3]', 'png')).toBe('lenet5-mnist-conv2-5-4-3.png');
  expect(fileName('运行 1', 'svg')).toBe('运行-1.svg');
  expect(fileName('../..', 'png')).toBe('convoscope.png');
});
