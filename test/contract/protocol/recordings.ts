/** What earlier versions said and understood: one file for each, made by `record.ts`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contract } from './contractOfToday.ts';
import type { Conversation } from './conversation.ts';

export interface Recording extends Conversation {
  protocol: number;
  version: string;
  contract: Contract;
}

export const recordedFolder = join(import.meta.dirname, 'recorded');

export const readRecordings = (): Recording[] =>
  readdirSync(recordedFolder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(recordedFolder, name), 'utf8')) as Recording);
