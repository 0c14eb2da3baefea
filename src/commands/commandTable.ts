/** Which module runs which command: all that only commands need is a file of its own, which activation does not read. */
import type { WebviewPanel } from 'vscode';
import type { Services } from '../services.ts';
import type { DetailedRow } from '../webviews/detailsPages.ts';
import type { CommandArguments, CommandId } from './commandIds.ts';

export type Command<Id extends CommandId> = (
  services: Services,
  ...subject: CommandArguments<Id>
) => Promise<void>;

/** A command that is contributed but missing here does not compile, nor one that takes what it is not given. */
export const commandTable: { readonly [Id in CommandId]: () => Promise<Command<Id>> } = {
  'thinClones.environment.add': async () => (await import('./addEnvironment.ts')).addEnvironment,
  'thinClones.environment.apply': async () => (await import('./applyFile.ts')).applyFile,
  'thinClones.environment.edit': async () => (await import('./editEnvironment.ts')).editEnvironment,
  'thinClones.environment.refresh': async () => (await import('./refreshEnvironment.ts')).refreshEnvironment,
  'thinClones.environment.retry': async () => (await import('./refreshEnvironment.ts')).refreshEnvironment,
  'thinClones.environment.showDetails': async () => (await import('./showDetails.ts')).showDetails,
  'thinClones.environment.delete': async () => (await import('./deleteEnvironment.ts')).deleteEnvironment,
  'thinClones.snapshot.showDetails': async () => (await import('./showDetails.ts')).showSnapshot,
  'thinClones.snapshot.rename': async () => (await import('./editSnapshot.ts')).renameSnapshot,
  'thinClones.snapshot.editMessage': async () => (await import('./editSnapshot.ts')).editMessage,
  'thinClones.snapshot.delete': async () => (await import('./deleteSnapshot.ts')).deleteSnapshot,
  'thinClones.clone.create': async () => (await import('./createClone.ts')).createClone,
  'thinClones.clone.reset': async () => (await import('./resetClone.ts')).resetClone,
  'thinClones.clone.resetTo': async () => (await import('./resetCloneTo.ts')).resetCloneTo,
  'thinClones.clone.copyUrl': async () => (await import('./copyConnection.ts')).copyUrl,
  'thinClones.clone.copyConnection': async () => (await import('./copyConnection.ts')).copyConnection,
  'thinClones.clone.openPsql': async () => (await import('./openPsql.ts')).openPsql,
  'thinClones.clone.showChanges': async () => (await import('./showChanges.ts')).showChanges,
  'thinClones.clone.openIn': async () => (await import('./openInExtension.ts')).openInExtension,
  'thinClones.clone.copy': async () => (await import('./cloneOfClone.ts')).cloneOfClone,
  'thinClones.clone.start': async () => (await import('./startClone.ts')).startClone,
  'thinClones.clone.stop': async () => (await import('./startClone.ts')).stopClone,
  'thinClones.clone.commit': async () => (await import('./commitClone.ts')).commitClone,
  'thinClones.clone.rename': async () => (await import('./renameClone.ts')).renameClone,
  'thinClones.clone.protect': async () => (await import('./protectClone.ts')).protectClone,
  'thinClones.clone.showDetails': async () => (await import('./showDetails.ts')).showClone,
  'thinClones.clone.destroy': async () => (await import('./destroyClone.ts')).destroyClone,
  'thinClones.clone.bind': async () => (await import('./bindClone.ts')).bindClone,
  'thinClones.clone.unbind': async () => (await import('./bindClone.ts')).unbindClone,
  'thinClones.branch.follow': async () => (await import('./followBranches.ts')).followBranches,
  'thinClones.branch.chooseEnvironment': async () => (await import('./followBranches.ts')).chooseEnvironment,
  'thinClones.branch.use': async () => (await import('./makeDatabase.ts')).makeDatabase,
  'thinClones.branch.answer': async () => (await import('./answerQuestion.ts')).answerQuestion,
  'thinClones.branch.reset': async () => (await import('./resetBranch.ts')).resetBranch,
  'thinClones.branch.resetToLatest': async () => (await import('./resetBranch.ts')).resetBranchToLatest,
  'thinClones.branch.copyUrl': async () => (await import('./branchConnection.ts')).copyBranchUrl,
  'thinClones.branch.openPsql': async () => (await import('./branchConnection.ts')).openBranchPsql,
  'thinClones.branch.writeVariables': async () => (await import('./writeVariables.ts')).writeVariables,
  'thinClones.branch.showMigrations': async () => (await import('./showMigrations.ts')).showMigrations,
  'thinClones.branch.reviewVariables': async () => (await import('./reviewVariables.ts')).reviewVariables,
  'thinClones.branch.otherPorts': async () => (await import('./otherPorts.ts')).otherPorts,
  'thinClones.branch.cleanUp': async () => (await import('./cleanUp.ts')).cleanUp,
  'thinClones.row.open': async () => (await import('./openRow.ts')).openRow,
  'thinClones.job.show': async () => (await import('./showJob.ts')).showJob,
  'thinClones.job.cancel': async () => (await import('./cancelJob.ts')).cancelJob,
  'thinClones.host.add': async () => (await import('./addHost.ts')).addHost,
  'thinClones.host.reconnect': async () => (await import('./reconnectHost.ts')).reconnectHost,
  'thinClones.host.showLog': async () => (await import('./hostLog.ts')).showHostLog,
  'thinClones.storage.setUp': async () => (await import('./makeThin.ts')).makeThin,
  'thinClones.host.doctor': async () => (await import('./hostDoctor.ts')).hostDoctor,
  'thinClones.host.remove': async () => (await import('./removeHost.ts')).removeHost,
  'thinClones.host.uninstall': async () => (await import('./removeHost.ts')).uninstallHost,
  'thinClones.engine.start': async () => (await import('./engineControl.ts')).startEngine,
  'thinClones.engine.stop': async () => (await import('./engineControl.ts')).stopEngine,
  'thinClones.engine.restart': async () => (await import('./engineControl.ts')).restartEngine,
  'thinClones.engine.rebuild': async () => (await import('./rebuildEngine.ts')).rebuildEngine,
  'thinClones.engine.showProblem': async () => (await import('./engineControl.ts')).showEngineProblem,
  'thinClones.engine.showLog': async () => (await import('./showLogs.ts')).showEngineLog,
  'thinClones.showLog': async () => (await import('./showLogs.ts')).showExtensionLog,
  'thinClones.showMenu': async () => (await import('./showMenu.ts')).showMenu,
  'thinClones.openWalkthrough': async () => (await import('./showMenu.ts')).openWalkthrough,
};

/** Fills a page of details that a reload brings back; the engine is connected for it, as for one that is opened. */
export async function restoreDetails(
  services: Services,
  row: DetailedRow,
  panel: WebviewPanel,
): Promise<void> {
  (await import('./showDetails.ts')).fillPage(services, row, panel);
  await services.client();
}
