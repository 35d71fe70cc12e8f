// What can be chosen for a new run, asked for once while the page lives.
import { get } from '../../wire/api';
import type { Form } from '../types';

let asked: Promise<Form> | null = null;

export function bringForm(): Promise<Form> {
  asked ??= get<Form>('/api/form').catch((error: unknown) => {
    asked = null; // the next asker tries again
    throw error;
  });
  return asked;
}
