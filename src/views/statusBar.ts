/** The one status bar item: what runs, or what there is. */
import * as vscode from 'vscode';
import type { EngineSession, SessionState } from '../engine/session.ts';
import type { Entities } from '../engine/model.ts';
import { countOf, percentOf } from './amounts.ts';
import { isUnfinished } from './treeRows.ts';

export interface StatusText {
  readonly text: string;
  readonly tooltip: string;
  readonly failed: boolean;
}

export function statusText(state: SessionState, entities: Entities): StatusText {
  const idle = (tooltip: string): StatusText => ({ text: '$(layers) Thin Clones', tooltip, failed: false });
  switch (state.kind) {
    case 'idle':
      return idle('Thin Clones');
    case 'stopped':
      return idle('Thin Clones: the engine is stopped, clones go on');
    case 'starting':
      return {
        text: '$(loading~spin) Thin Clones',
        tooltip: 'Thin Clones: starting the engine',
        failed: false,
      };
    case 'failed':
      return { text: '$(error) Thin Clones', tooltip: `Thin Clones: ${state.error.message}`, failed: true };
    case 'connected':
      break;
  }
  if (state.info.state === 'blocked') {
    return {
      text: '$(error) Thin Clones',
      tooltip: `Thin Clones: ${state.info.problem ?? 'blocked'}`,
      failed: true,
    };
  }
  const running = [...entities.jobs.values()].filter(isUnfinished);
  const [first] = running;
  if (first !== undefined) {
    const more = running.length > 1 ? ` +${running.length - 1}` : '';
    const progress = first.progress > 0 ? ` ${percentOf(first.progress)}` : '';
    return {
      text: `$(sync~spin) ${first.title}${progress}${more}`,
      tooltip: running.map((job) => `${job.title}, ${percentOf(job.progress)}`).join('\n'),
      failed: false,
    };
  }
  const { environments, clones } = entities;
  if (environments.size === 0) return idle('Thin Clones: no environment yet');
  const [only] = environments.keys();
  const name =
    environments.size === 1 && only !== undefined ? only : countOf(environments.size, 'environment');
  return {
    text: `$(layers) ${name}: ${countOf(clones.size, 'clone')}`,
    tooltip: `Thin Clones: ${countOf(environments.size, 'environment')}, ${countOf(clones.size, 'clone')}`,
    failed: false,
  };
}

export function createStatusBar(session: EngineSession): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('thinClones.status', vscode.StatusBarAlignment.Left, 50);
  item.name = 'Thin Clones';
  item.command = 'thinClones.showMenu';
  const show = (): void => {
    if (!vscode.workspace.getConfiguration('thinClones').get<boolean>('statusBar.enabled', true)) {
      item.hide();
      return;
    }
    const { text, tooltip, failed } = statusText(session.state, session.model);
    item.text = text;
    item.tooltip = tooltip;
    item.accessibilityInformation = { label: tooltip };
    item.backgroundColor = failed ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
    item.show();
  };
  show();
  return vscode.Disposable.from(
    item,
    session.onDidChangeState(show),
    session.model.onDidChange(show),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('thinClones.statusBar')) show();
    }),
  );
}
