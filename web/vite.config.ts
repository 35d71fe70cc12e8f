// How the page is built: into the Python package, with hashed names, compressed copies and nothing inline.
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { compress } from './plugins/compress';
import { woff2Only } from './plugins/fonts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [woff2Only(), svelte(), compress()],
  build: {
    outDir: here('../src/convoscope/server/page'),
    emptyOutDir: true,
    assetsInlineLimit: 0, // a data: address would need a wider Content-Security-Policy
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/api': { target: 'http://127.0.0.1:8808', ws: true, changeOrigin: true } },
  },
  test: { include: ['src/**/*.test.ts'], css: true },
});
