// Reads the binary pack in which tensors travel: a small header in JSON, then each tensor little-endian, copied nowhere.

export interface Tensor {
  shape: number[];
  data: Uint8Array | Float32Array | Int32Array;
}

export interface Pack<Meta = Record<string, unknown>> {
  meta: Meta;
  tensors: Record<string, Tensor>;
}

interface Header {
  meta: Record<string, unknown>;
  tensors: { name: string; dtype: string; shape: number[]; offset: number }[];
}

const MAGIC = 'CVS1';
const HEADER_AT = 8; // after the magic bytes and the header's length, 4 bytes each
const ALIGNED_TO = 8;

const KINDS = { uint8: Uint8Array, float32: Float32Array, int32: Int32Array } as const;

export class BrokenPack extends Error {
  override name = 'BrokenPack';
}

function headerOf(buffer: ArrayBuffer): { header: Header; start: number } {
  if (buffer.byteLength < HEADER_AT)
    throw new BrokenPack(`A pack has at least 8 bytes; this has ${buffer.byteLength}.`);
  const magic = String.fromCharCode(...new Uint8Array(buffer, 0, MAGIC.length));
  if (magic !== MAGIC) throw new BrokenPack(`A pack begins with ${MAGIC}; this begins with ${JSON.stringify(magic)}.`);
  const length = new DataView(buffer).getUint32(MAGIC.length, true);
  const end = HEADER_AT + length;
  if (end > buffer.byteLength) throw new BrokenPack(`The header ends at byte ${end} of ${buffer.byteLength}.`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER_AT, length))) as Header;
  return { header, start: Math.ceil(end / ALIGNED_TO) * ALIGNED_TO };
}

/**
 * The tensors of a pack, by name, as views into the same bytes.
 *
 * Throws BrokenPack where the bytes are no pack, end too early, or hold a kind of number that this version does not know.
 */
export function readPack<Meta = Record<string, unknown>>(buffer: ArrayBuffer): Pack<Meta> {
  const { header, start } = headerOf(buffer);
  const tensors: Record<string, Tensor> = {};
  for (const { name, dtype, shape, offset } of header.tensors) {
    if (!Object.hasOwn(KINDS, dtype))
      throw new BrokenPack(`Tensor ${name} holds ${dtype}, which this page cannot read.`);
    const Kind = KINDS[dtype as keyof typeof KINDS];
    const size = shape.reduce((product, extent) => product * extent, 1);
    const from = start + offset;
    if (offset % ALIGNED_TO !== 0) throw new BrokenPack(`Tensor ${name} begins at ${offset}, no multiple of 8.`);
    if (from + size * Kind.BYTES_PER_ELEMENT > buffer.byteLength) throw new BrokenPack(`Tensor ${name} is cut off.`);
    tensors[name] = { shape, data: new Kind(buffer, from, size) };
  }
  return { meta: header.meta as Meta, tensors };
}
