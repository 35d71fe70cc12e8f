// A nested record as lines of name and text.

/** { packages: { torch: "2.13" } } as [["packages torch", "2.13"]]; what is null or empty is left out. */
export function flattened(facts: Record<string, unknown>, before = ''): [string, string][] {
  return Object.entries(facts).flatMap(([name, value]): [string, string][] => {
    const called = `${before}${name.replaceAll('_', ' ')}`;
    if (value === null || value === undefined || value === '') return [];
    if (Array.isArray(value)) return value.length > 0 ? [[called, value.join(' ')]] : [];
    if (typeof value === 'object') return flattened(value as Record<string, unknown>, `${called} `);
    return [[called, String(value)]];
  });
}
