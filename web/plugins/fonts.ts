// Ships one format of each font: every browser that runs this page reads woff2, and KaTeX lists two older ones beside it.
import type { Plugin } from 'vite';

const OLDER = /,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\(["'](?:woff|truetype)["']\)/g;

export function woff2Only(): Plugin {
  return {
    name: 'convoscope-woff2-only',
    enforce: 'pre',
    transform(code, id) {
      return id.split('?')[0]?.endsWith('.css') && code.includes('@font-face') ? code.replace(OLDER, '') : null;
    },
  };
}
