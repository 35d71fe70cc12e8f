// A pack is read where it lies, and a broken one is named instead of read wrongly.
import { describe, expect, it } from 'vitest';
import { BrokenPack, readPack } from './pack';

interface Part {
  name: string;
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** A pack written by the format's description, not by the code under test. */
function written(parts: Part[], meta: unknown = {}): ArrayBuffer {
  let offset = 0;
  const tensors = parts.map(({ name, dtype, shape, bytes }) => {
    const entry = { name, dtype, shape, offset };
    offset += Math.ceil(bytes.length / 8) * 8;
    return entry;
  });
  const header = new TextEncoder().encode(JSON.stringify({ meta, tensors }));
  const start = Math.ceil((8 + header.length) / 8) * 8;
  const out = new Uint8Array(start + offset);
  out.set([0x43, 0x56, 0x53, 0x31]);
  new DataView(out.buffer).setUint32(4, header.length, true);
  out.set(header, 8);
  parts.forEach((part, index) => out.set(part.bytes, start + (tensors[index]?.offset ?? 0)));
  return out.buffer;
}

const atlas: Part = { name: 'atlas', dtype: 'uint8', shape: [1, 3], bytes: new Uint8Array([1, 128, 255]) };
const values: Part = {
  name: 'values',
  dtype: 'float32',
  shape: [2],
  bytes: new Uint8Array([0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]), // 1.0 and -2.5, little-endian
};
const labels: Part = { name: 'labels', dtype: 'int32', shape: [], bytes: new Uint8Array([0xfe, 0xff, 0xff, 0xff]) };

describe('a pack', () => {
  it('gives each tensor with its shape and the meta data', () => {
    const { meta, tensors } = readPack(written([atlas, values, labels], { step: 3, class: '零' }));
    expect(meta).toEqual({ step: 3, class: '零' });
    expect(tensors.atlas).toEqual({ shape: [1, 3], data: new Uint8Array([1, 128, 255]) });
    expect(tensors.values).toEqual({ shape: [2], data: new Float32Array([1, -2.5]) });
    expect(tensors.labels).toEqual({ shape: [], data: new Int32Array([-2]) });
  });

  it('is read without a copy', () => {
    const buffer = written([atlas, values]);
    expect(readPack(buffer).tensors.values?.data.buffer).toBe(buffer);
  });

  it('may be empty, in itself or in a tensor', () => {
    expect(readPack(written([])).tensors).toEqual({});
    const none = { ...atlas, shape: [0, 3], bytes: new Uint8Array() };
    expect(readPack(written([none])).tensors.atlas?.data).toHaveLength(0);
  });

  it.each([
    ['too short', new ArrayBuffer(5)],
    ['of another kind', new TextEncoder().encode('<!doctype html>').buffer],
    ['cut in its header', written([atlas]).slice(0, 20)],
    ['cut in a tensor', written([atlas, values]).slice(0, -4)],
    ['of an unknown kind of number', written([{ ...atlas, dtype: 'bfloat16' }])],
  ])('that is %s is refused', (_, buffer) => {
    expect(() => readPack(buffer)).toThrow(BrokenPack);
  });
});
