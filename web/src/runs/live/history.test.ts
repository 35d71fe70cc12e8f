// Events build up the same history whether they come one by one, at once, or again after a run went on.
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../types';
import { RunHistory } from './history.svelte';

const started = (step: number): RunEvent => ({
  event: 'started', run: 'a', step, n_steps: 100, steps_per_epoch: 10, n_train: 1, n_validation: 1, n_parameters: 1,
  device: 'cpu', precision: 'float32', memory_format: 'contiguous', shards: 1, threads: 1, n_processes: 1,
  recorded_at: '',
}); // prettier-ignore
const step = (number: number, loss = 1): RunEvent => ({
  event: 'step', step: number, epoch: 1, loss, accuracy: 0.5, lr: 0.1, seconds: number, images_per_second: 10,
  gradient_norm: null,
}); // prettier-ignore
const epoch = (number: number, at: number): RunEvent => ({
  event: 'epoch', epoch: number, step: at, train_loss: 1, train_accuracy: 0, validation_loss: 1,
  validation_accuracy: 0, seconds: 1,
}); // prettier-ignore
const lines = (events: RunEvent[]) => events.map((event, line) => ({ line, event }));

describe('the history', () => {
  it('forgets everything when the run is another one', () => {
    const history = new RunHistory();
    const statistics = { event: 'statistics', step: 1, parameters: { w: { update_ratio: 0.001 } } } as RunEvent;
    const told = [started(0), step(1), statistics, epoch(1, 1), { event: 'finding', step: null } as RunEvent];
    history.take(lines([...told, { event: 'finished' } as RunEvent]));
    history.forget();
    expect(history.steps.length + history.loss.values.length + history.health.names.length).toBe(0);
    expect([history.started, history.last, history.saved, history.turn]).toEqual([null, null, null, null]);
    expect([history.epochs, history.findings]).toEqual([[], []]);
  });

  it('takes what a run goes on with in the place of what was beyond', () => {
    const history = new RunHistory();
    const first = [
      started(0),
      step(1),
      step(2, 7),
      step(3, NaN),
      epoch(1, 3),
      { event: 'trained', step: 3 } as RunEvent,
    ];
    history.take(lines([...first, started(1), step(2, 5)]));
    expect([...history.steps.view()]).toEqual([1, 2]);
    expect([...history.loss.values.view()]).toEqual([1, 5]);
    expect(history.epochs).toEqual([]);
    expect(history.turn).toBeNull();
    expect(history.last?.step).toBe(2);
  });

  it('beats once a batch and knows how the course turned', () => {
    const history = new RunHistory();
    history.take(lines([started(0), step(1), { event: 'paused', step: 1 }]));
    expect([history.beat, history.turn?.event]).toEqual([1, 'paused']);
    history.take(lines([{ event: 'continued', step: 1 }, step(2), epoch(1, 2)]));
    expect([history.beat, history.turn?.event, history.epochs.length]).toEqual([2, 'continued', 1]);
  });

  it('keeps snapshots and passes over checkpoints that will be replaced', () => {
    const history = new RunHistory();
    const saved = (at: number, reason: string): RunEvent => ({
      event: 'saved',
      step: at,
      reason,
      file: '',
      n_bytes: 1,
      sha256: '',
    });
    history.take(lines([saved(0, 'epoch'), saved(5, 'snapshot'), saved(7, 'safety')]));
    expect(history.saved?.step).toBe(5);
  });
});
