/**
 * The commands that package.json contributes and what each one takes; a test proves the two lists equal, the compiler that
 * each command exists, takes this, and is given it.
 */
import type { Uri } from 'vscode';
import type { RowOf, RowReference } from '../views/rowId.ts';

/** A folder of the window, by its key: what links and quick fixes name. */
export interface FolderReference {
  readonly folder: string;
}
/** A job, or a row whose object a job works on. */
export type JobReference =
  { readonly kind: 'job'; readonly key: string } | RowOf<'clone' | 'snapshot' | 'environment'>;
export type EnvironmentRow = RowOf<'environment' | 'clones' | 'snapshots' | 'note'>;

/** All of them may be left out: commands also run from the palette and from keys, and ask for what they need. */
export interface Arguments {
  nothing: [];
  environment: [row?: EnvironmentRow];
  snapshot: [row?: RowOf<'snapshot'>];
  clone: [row?: RowOf<'clone'>];
  /** `selected`: all selected clones, when there are several. */
  clones: [row?: RowOf<'clone'>, selected?: readonly RowOf<'clone'>[]];
  /** What a clone is made of. */
  source: [row?: EnvironmentRow | RowOf<'snapshot'>];
  host: [row?: RowOf<'host'>];
  /** A host, or what it holds. */
  hostOf: [row?: RowOf<'host' | 'environment' | 'clone' | 'snapshot'>];
  row: [row?: RowReference];
  folder: [folder?: FolderReference];
  cloneOrFolder: [subject?: RowOf<'clone'> | FolderReference];
  job: [job?: JobReference];
  file: [file?: Uri];
}

export const commandTakes = {
  'thinClones.environment.add': 'host',
  'thinClones.environment.apply': 'file',
  'thinClones.environment.edit': 'environment',
  'thinClones.environment.refresh': 'environment',
  'thinClones.environment.retry': 'environment',
  'thinClones.environment.showDetails': 'environment',
  'thinClones.environment.delete': 'environment',
  'thinClones.snapshot.showDetails': 'snapshot',
  'thinClones.snapshot.rename': 'snapshot',
  'thinClones.snapshot.editMessage': 'snapshot',
  'thinClones.snapshot.delete': 'snapshot',
  'thinClones.clone.create': 'source',
  'thinClones.clone.reset': 'clone',
  'thinClones.clone.resetTo': 'clone',
  'thinClones.clone.copyUrl': 'clone',
  'thinClones.clone.copyConnection': 'clone',
  'thinClones.clone.openPsql': 'clone',
  'thinClones.clone.showChanges': 'clone',
  'thinClones.clone.openIn': 'clone',
  'thinClones.clone.copy': 'clone',
  'thinClones.clone.start': 'clone',
  'thinClones.clone.stop': 'clone',
  'thinClones.clone.commit': 'clone',
  'thinClones.clone.rename': 'clone',
  'thinClones.clone.protect': 'clone',
  'thinClones.clone.showDetails': 'clone',
  'thinClones.clone.destroy': 'clones',
  'thinClones.clone.bind': 'cloneOrFolder',
  'thinClones.clone.unbind': 'cloneOrFolder',
  'thinClones.branch.follow': 'folder',
  'thinClones.branch.chooseEnvironment': 'folder',
  'thinClones.branch.use': 'folder',
  'thinClones.branch.answer': 'folder',
  'thinClones.branch.reset': 'folder',
  'thinClones.branch.resetToLatest': 'folder',
  'thinClones.branch.copyUrl': 'folder',
  'thinClones.branch.openPsql': 'folder',
  'thinClones.branch.writeVariables': 'folder',
  'thinClones.branch.reviewVariables': 'folder',
  'thinClones.branch.showMigrations': 'folder',
  'thinClones.branch.otherPorts': 'folder',
  'thinClones.branch.cleanUp': 'nothing',
  'thinClones.row.open': 'row',
  'thinClones.job.show': 'job',
  'thinClones.job.cancel': 'job',
  'thinClones.host.add': 'nothing',
  'thinClones.host.reconnect': 'hostOf',
  'thinClones.host.showLog': 'hostOf',
  'thinClones.host.doctor': 'host',
  'thinClones.host.remove': 'host',
  'thinClones.host.uninstall': 'host',
  'thinClones.storage.setUp': 'host',
  'thinClones.engine.start': 'nothing',
  'thinClones.engine.stop': 'nothing',
  'thinClones.engine.restart': 'nothing',
  'thinClones.engine.rebuild': 'nothing',
  'thinClones.engine.showProblem': 'nothing',
  'thinClones.engine.showLog': 'nothing',
  'thinClones.showLog': 'nothing',
  'thinClones.showMenu': 'nothing',
  'thinClones.openWalkthrough': 'nothing',
} as const satisfies Readonly<Record<string, keyof Arguments>>;

export type CommandId = keyof typeof commandTakes;
/** Those that are about a checkout of the window. */
export type FolderCommandId = {
  [Id in CommandId]: (typeof commandTakes)[Id] extends 'folder' ? Id : never;
}[CommandId];
export const commandIds = Object.keys(commandTakes) as readonly CommandId[];

export type CommandArguments<Id extends CommandId> = Arguments[(typeof commandTakes)[Id]];
