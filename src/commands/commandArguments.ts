/** Reads what VS Code hands to a command, from a row, a link, a menu or a key: what the command does not take is left out. */
import type { Uri } from 'vscode';
import { isRow, rowKinds, type RowKind, type RowOf } from '../views/rowId.ts';
import {
  commandTakes,
  type Arguments,
  type CommandArguments,
  type CommandId,
  type FolderReference,
  type JobReference,
} from './commandIds.ts';

type Given = readonly unknown[];

const rowOf =
  <Kind extends RowKind>(...kinds: readonly Kind[]) =>
  ([first]: Given): [row?: RowOf<Kind>] =>
    isRow(first, kinds) ? [first] : [];

const hasText = <Key extends string>(value: unknown, key: Key): value is Readonly<Record<Key, string>> =>
  typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[key] === 'string';

const isFolder = (value: unknown): value is FolderReference => hasText(value, 'folder');
const isJob = (value: unknown): value is JobReference =>
  (hasText(value, 'kind') && value.kind === 'job' && hasText(value, 'key')) ||
  isRow(value, ['clone', 'snapshot', 'environment']);
/** By its parts: this module is read without VS Code, too. */
const isUri = (value: unknown): value is Uri => hasText(value, 'scheme') && hasText(value, 'fsPath');

const environmentKinds = ['environment', 'clones', 'snapshots', 'note'] as const;

const readers: { readonly [Kind in keyof Arguments]: (given: Given) => Arguments[Kind] } = {
  nothing: () => [],
  environment: rowOf(...environmentKinds),
  snapshot: rowOf('snapshot'),
  clone: rowOf('clone'),
  clones([first, selected]) {
    const rows = Array.isArray(selected) ? selected.filter((row) => isRow(row, ['clone'])) : [];
    return isRow(first, ['clone']) ? [first, rows] : [];
  },
  source: rowOf(...environmentKinds, 'snapshot'),
  host: rowOf('host'),
  hostOf: rowOf('host', 'environment', 'clone', 'snapshot'),
  row: rowOf(...rowKinds),
  folder: ([first]) => (isFolder(first) ? [first] : []),
  cloneOrFolder: ([first]) => (isRow(first, ['clone']) || isFolder(first) ? [first] : []),
  job: ([first]) => (isJob(first) ? [first] : []),
  file: ([first]) => (isUri(first) ? [first] : []),
};

export const readArguments = <Id extends CommandId>(id: Id, given: Given): CommandArguments<Id> =>
  readers[commandTakes[id]](given);

/** The argument that package.json gives to our keys, which have no row of their own to name. */
export const isKeyPress = (argument: unknown): boolean =>
  hasText(argument, 'on') && argument.on === 'focusedRow';
