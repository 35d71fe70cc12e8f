// The events of a run as the screen needs them: followed from the first line on, live or replayed.
import type { ApiError } from '../../wire/api';
import { follow, type Line, type Standing } from '../../wire/live';
import type { EpochEnded, Finding, RunEvent, Saved, Started, Step, Turn } from '../types';
import { Column, Curve } from './columns';
import { HealthTable } from './health';

export class RunHistory {
  // One entry a step. Too many to be reactive: who draws them reads `beat`, which rises once for each batch of events.
  readonly steps = new Column();
  readonly seconds = new Column();
  readonly lr = new Curve();
  readonly loss = new Curve();
  readonly accuracy = new Curve();
  readonly health = new HealthTable();

  beat = $state(0);
  started: Started | null = $state.raw(null);
  last: Step | null = $state.raw(null);
  /** The newest checkpoint that stays. */
  saved: Saved | null = $state.raw(null);
  epochs: EpochEnded[] = $state.raw([]);
  findings: Finding[] = $state.raw([]);
  /** What was told of the course last: paused, continued, trained or finished; null while it simply trains. */
  turn: Turn | null = $state.raw(null);
  standing: Standing = $state('connecting');
  problem: ApiError | null = $state.raw(null);

  /** Follows the run until the function that it returns is called. */
  follow(run: string): () => void {
    return follow<RunEvent>(run, {
      onLines: (lines) => this.take(lines),
      onAnew: () => this.forget(),
      onStanding: (standing) => (this.standing = standing),
      onProblem: (problem) => (this.problem = problem),
    });
  }

  /** The run is another one than before: nothing that was told of it holds. */
  forget(): void {
    this.#goBackTo(-1);
    this.health.clear();
    this.findings = [];
    this.started = this.saved = this.turn = null;
    this.beat += 1;
  }

  take(lines: Line<RunEvent>[]): void {
    const epochs: EpochEnded[] = [];
    const findings: Finding[] = [];
    const settle = (): void => {
      if (epochs.length) this.epochs = [...this.epochs, ...epochs.splice(0)];
      if (findings.length) this.findings = [...this.findings, ...findings.splice(0)];
    };
    for (const { event } of lines) {
      if (event.event === 'started') settle();
      if (event.event === 'epoch') epochs.push(event);
      else if (event.event === 'finding') findings.push(event);
      else this.#note(event);
    }
    settle();
    this.beat += 1;
  }

  #note(event: Exclude<RunEvent, EpochEnded | Finding>): void {
    switch (event.event) {
      case 'step':
        this.#step(event);
        break;
      case 'started':
        this.#goBackTo(event.step);
        this.started = event;
        this.turn = null;
        break;
      case 'statistics':
        this.health.push(event);
        break;
      case 'saved':
        if (event.reason === 'epoch' || event.reason === 'snapshot') this.saved = event;
        break;
      case 'paused':
      case 'continued':
      case 'trained':
      case 'finished':
        this.turn = event;
        break;
    }
  }

  #step(event: Step): void {
    this.steps.push(event.step);
    this.seconds.push(event.seconds ?? NaN);
    this.lr.push(event.lr);
    this.loss.push(event.loss);
    this.accuracy.push(event.accuracy);
    this.last = event;
  }

  /** A run that goes on from a checkpoint takes the later steps anew: what had been told of them holds no more. */
  #goBackTo(step: number): void {
    const length = this.steps.countBelow(step + 1);
    for (const column of [this.steps, this.seconds, this.lr, this.loss, this.accuracy]) column.cut(length);
    this.health.cut(step);
    this.epochs = this.epochs.filter((epoch) => epoch.step <= step);
    this.findings = this.findings.filter((finding) => (finding.step ?? 0) <= step);
    if (this.last && this.last.step > step) this.last = null;
  }
}
