// The page's own fonts as a style sheet that stands alone, for pictures that leave the page.

/** What tells the faces of a family apart. */
const keyOf = (family: string, weight: string, style: string) =>
  [family.replace(/["']/g, ''), weight === 'normal' ? '400' : weight, style || 'normal'].join(' ').toLowerCase();

function* faceRules(): Generator<CSSFontFaceRule> {
  for (const sheet of document.styleSheets) {
    for (const rule of sheet.cssRules) if (rule instanceof CSSFontFaceRule) yield rule;
  }
}

async function asData(address: URL): Promise<string> {
  const blob = await (await fetch(address)).blob();
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** The rules of the faces that the page has loaded, each with its file inside; empty where the system's fonts are all. */
export async function loadedFaces(): Promise<string> {
  const loaded = new Set<string>();
  document.fonts.forEach((face) => {
    if (face.status === 'loaded') loaded.add(keyOf(face.family, face.weight, face.style));
  });
  const rules = [...faceRules()].filter(({ style }) => {
    const [family, weight, slope] = ['font-family', 'font-weight', 'font-style'].map((name) =>
      style.getPropertyValue(name),
    );
    return loaded.has(keyOf(family!, weight || '400', slope!));
  });
  const texts = rules.map(async (rule) => {
    const file = /url\(["']?([^"')]+)["']?\)/.exec(rule.cssText);
    if (!file) return '';
    const data = await asData(new URL(file[1]!, rule.parentStyleSheet?.href ?? document.baseURI));
    return rule.cssText.replace(file[1]!, () => data);
  });
  return (await Promise.all(texts)).join('\n');
}
