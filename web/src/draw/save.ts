// A part of the page as a picture in a file. The library that draws it is loaded when it is first asked for.
import type { Options } from 'modern-screenshot';
import { loadedFaces } from './fonts';

/** A name that every file system takes. */
export function fileName(name: string, ending: string): string {
  const plain = name
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
  return `${plain.slice(0, 100) || 'convoscope'}.${ending}`;
}

/** The colour that an element stands on: its own or that of the nearest one around it that has any. */
function backgroundOf(element: Element): string {
  for (let at: Element | null = element; at; at = at.parentElement) {
    const { backgroundColor } = getComputedStyle(at);
    if (backgroundColor && backgroundColor !== 'transparent' && backgroundColor !== 'rgba(0, 0, 0, 0)') {
      return backgroundColor;
    }
  }
  return '#ffffff';
}

async function optionsFor(element: Element): Promise<Options> {
  const faces = await loadedFaces();
  return {
    backgroundColor: backgroundOf(element),
    // Left to itself the library reads fonts through a style element, which the page's Content-Security-Policy forbids.
    font: faces ? { cssText: faces } : false,
    // What is marked so is for working with the view and no part of it.
    filter: (node) => !(node instanceof Element && node.hasAttribute('data-unsaved')),
    onCloneEachNode: (node) => {
      if (node instanceof HTMLElement) node.style.scrollbarWidth = 'none';
    },
  };
}

function download(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it after the click
}

/** Saves an element as PNG, at two pixels to a CSS pixel or the screen's, whichever is finer. */
export async function savePng(element: HTMLElement, name: string): Promise<void> {
  const { domToBlob } = await import('modern-screenshot');
  const scale = Math.max(2, window.devicePixelRatio);
  download(await domToBlob(element, { ...(await optionsFor(element)), scale }), fileName(name, 'png'));
}

/** Saves an element as SVG: text stays text and lines stay lines, canvases become pictures within it. */
export async function saveSvg(element: HTMLElement, name: string): Promise<void> {
  const { domToForeignObjectSvg } = await import('modern-screenshot');
  const svg = await domToForeignObjectSvg(element, await optionsFor(element));
  const text = new XMLSerializer().serializeToString(svg);
  download(new Blob([text], { type: 'image/svg+xml' }), fileName(name, 'svg'));
}
