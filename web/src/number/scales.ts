// The ends of the colour scales that several maps share, so that equal colours are equal numbers.
import { limitOf, type Window } from './window';

export interface Limits {
  patch: number;
  kernel: number;
  products: number;
}

/** One limit for all patches, one for all kernels, one for all products. */
export function limitsOf(windows: readonly (Window | null)[]): Limits {
  const all = windows.filter((window) => window !== null);
  return {
    patch: limitOf(...all.map((window) => window.patch.leaves)),
    kernel: limitOf(...all.map((window) => window.kernel)),
    products: limitOf(...all.map((window) => window.products)),
  };
}
