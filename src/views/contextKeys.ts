/** Tells menus, welcome texts and the walkthrough where things stand. */
import * as vscode from 'vscode';
import type { WindowCheckouts } from '../checkouts/windowCheckouts.ts';
import type { EngineSession } from '../engine/session.ts';
import { makesFullCopies } from './hostRows.ts';

export function publishContextKeys(session: EngineSession, checkouts: WindowCheckouts): vscode.Disposable {
  const published = new Map<string, unknown>();
  const publish = (): void => {
    const { state, model } = session;
    const blocked = state.kind === 'connected' && state.info.state === 'blocked';
    const keys: Record<string, unknown> = {
      'thinClones.engine': blocked ? 'blocked' : state.kind,
      'thinClones.problem': state.kind === 'failed' ? state.error.code : '',
      'thinClones.hasEnvironment': model.environments.size > 0,
      'thinClones.hasSnapshot': model.snapshots.size > 0,
      'thinClones.hasClone': model.clones.size > 0,
      'thinClones.fullCopies': makesFullCopies(model.hosts.values()),
      'thinClones.isFollowed': checkouts.follower.places().some(({ checkout }) => checkout.follow !== 'off'),
      'thinClones.checkout': checkouts.current()?.checkout.state ?? '',
    };
    for (const [key, value] of Object.entries(keys)) {
      if (published.get(key) === value) continue;
      published.set(key, value);
      void vscode.commands.executeCommand('setContext', key, value);
    }
  };
  publish();
  return vscode.Disposable.from(
    session.onDidChangeState(publish),
    session.model.onDidChange(publish),
    checkouts.onDidChange(publish),
  );
}
