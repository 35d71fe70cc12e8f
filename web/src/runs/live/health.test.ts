// The health strip keeps every parameter's ratios, and loses no wild step when it is drawn narrow.
import { describe, expect, it } from 'vitest';
import { HealthTable } from './health';

const at = (step: number, ratios: Record<string, number>) => ({
  event: 'statistics' as const,
  step,
  parameters: Object.fromEntries(Object.entries(ratios).map(([name, update_ratio]) => [name, { update_ratio }])),
});

describe('the health table', () => {
  it('keeps a row for each parameter, also for one that comes later', () => {
    const table = new HealthTable();
    table.push(at(1, { a: 1e-3 }));
    table.push(at(50, { a: 1e-1, b: 1e-3 }));
    expect(table.names).toEqual(['a', 'b']);
    const { data, columns } = table.colours(['a', 'b'], 100);
    expect(columns).toBe(2);
    expect([...data].map((value) => (Number.isNaN(value) ? null : Math.round(value)))).toEqual([0, 1, null, 0]);
    expect(table.newest('a')).toBe(0.1);
    expect(table.newest('c')).toBeNull();
  });

  it('shows the worst of each stretch where steps are many', () => {
    const table = new HealthTable();
    for (let step = 1; step <= 1000; step++) table.push(at(step, { a: step === 333 ? 10 : 1e-3 }));
    const { data, columns } = table.colours(['a'], 50);
    expect(columns).toBe(50);
    expect(data.filter((value) => value === 1)).toHaveLength(1);
  });

  it('forgets the steps that a resumed run takes anew', () => {
    const table = new HealthTable();
    for (const step of [1, 50, 100]) table.push(at(step, { a: step / 1000 }));
    table.cut(60);
    expect(table.newest('a')).toBe(0.05);
  });
});
