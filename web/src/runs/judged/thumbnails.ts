// The pixels of an answer's images, asked for together.
import { getPack, path } from '../../wire/api';
import type { PixelsHead } from '../types';

export interface Pixels {
  data: Uint8Array;
  shape: [channels: number, rows: number, columns: number];
}

const AT_ONCE = 64; // images of one answer: of 224 x 224 pixels in colour, 10 MB

/** Pixels by the image's name; what the server does not have is not there. */
export async function thumbnails(
  run: string,
  version: string,
  images: string[],
  signal: AbortSignal,
  onsome: (some: Map<string, Pixels>) => void,
): Promise<void> {
  for (let from = 0; from < images.length; from += AT_ONCE) {
    const asked = images.slice(from, from + AT_ONCE);
    const query = { images: asked.join(','), v: version };
    const { meta, tensors } = await getPack<PixelsHead>(path`/api/runs/${run}/images`, query, { signal });
    const tensor = tensors.images;
    if (!tensor) continue;
    const [, C = 1, H = 1, W = 1] = tensor.shape;
    const size = C * H * W;
    onsome(
      new Map(
        meta.images.map((name, index) => [
          name,
          { data: (tensor.data as Uint8Array).subarray(index * size, (index + 1) * size), shape: [C, H, W] },
        ]),
      ),
    );
  }
}

/** Planar pixels, one channel or three, as a canvas takes them. */
export function asImageData({ data, shape: [C, H, W] }: Pixels): ImageData {
  const size = H * W;
  const rgba = new Uint8ClampedArray(4 * size);
  for (let index = 0; index < size; index++) {
    for (let channel = 0; channel < 3; channel++) {
      rgba[4 * index + channel] = data[(C >= 3 ? channel : 0) * size + index] as number;
    }
    rgba[4 * index + 3] = 255;
  }
  return new ImageData(rgba, W, H);
}
