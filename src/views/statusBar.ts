/** The one status bar item: the branch's database where one is followed, else what runs, or what there is. */
import * as vscode from 'vscode';
import type { Job } from '../../engine/protocol/entities.ts';
import { folderName } from '../checkouts/checkoutText.ts';
import type { WindowCheckouts } from '../checkouts/windowCheckouts.ts';
import type { EngineSession, SessionState } from '../engine/session.ts';
import type { Entities } from '../engine/model.ts';
import { countOf, percentOf } from './amounts.ts';
import { checkoutHover, checkoutStatus, hoverCommands, type CurrentCheckout } from './checkoutStatus.ts';
import { isUnfinished } from './treeRows.ts';

export interface StatusText {
  readonly text: string;
  /** What a screen reader says, and the hover where there is no richer one. */
  readonly tooltip: string;
  readonly alarm: 'none' | 'warning' | 'error';
}

export function statusText(state: SessionState, entities: Entities, current?: CurrentCheckout): StatusText {
  const idle = (tooltip: string): StatusText => ({ text: '$(database) Thin Clones', tooltip, alarm: 'none' });
  const broken = (tooltip: string): StatusText => ({ text: '$(error) Thin Clones', tooltip, alarm: 'error' });
  const followed = current !== undefined && current.checkout.state !== 'off' ? current : undefined;
  switch (state.kind) {
    case 'idle':
      return idle('Thin Clones');
    case 'stopped':
      return followed === undefined
        ? idle('Thin Clones: the engine is stopped, clones go on')
        : checkoutStatus(followed, { engineStopped: true, jobs: [] });
    case 'starting':
      return {
        text: '$(loading~spin) Thin Clones',
        tooltip: 'Thin Clones: starting the engine',
        alarm: 'none',
      };
    case 'failed':
      return broken(`Thin Clones: ${state.error.message}`);
    case 'connected':
      break;
  }
  if (state.info.state === 'blocked') return broken(`Thin Clones: ${state.info.problem ?? 'blocked'}`);
  const running = [...entities.jobs.values()].filter(isUnfinished);
  if (followed !== undefined) return checkoutStatus(followed, { engineStopped: false, jobs: running });
  const [first] = running;
  if (first !== undefined) {
    const more = running.length > 1 ? ` +${running.length - 1}` : '';
    const progress = first.progress > 0 ? ` ${percentOf(first.progress)}` : '';
    return {
      text: `$(sync~spin) ${first.title}${progress}${more}`,
      tooltip: jobLines(running),
      alarm: 'none',
    };
  }
  const { environments, clones } = entities;
  if (environments.size === 0) return idle('Thin Clones: no environment yet');
  const [only] = environments.keys();
  const name =
    environments.size === 1 && only !== undefined ? only : countOf(environments.size, 'environment');
  return {
    text: `$(database) ${name}: ${countOf(clones.size, 'clone')}`,
    tooltip: `Thin Clones: ${countOf(environments.size, 'environment')}, ${countOf(clones.size, 'clone')}`,
    alarm: 'none',
  };
}

const jobLines = (jobs: readonly Job[]): string =>
  jobs.map((job) => `${job.title}, ${percentOf(job.progress)}`).join('\n');

const backgrounds = {
  none: undefined,
  warning: new vscode.ThemeColor('statusBarItem.warningBackground'),
  error: new vscode.ThemeColor('statusBarItem.errorBackground'),
} as const;

export function createStatusBar(session: EngineSession, checkouts: WindowCheckouts): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('thinClones.status', vscode.StatusBarAlignment.Left, 50);
  item.name = 'Thin Clones';
  item.command = 'thinClones.showMenu';
  let hovered: string | undefined;
  const current = (): CurrentCheckout | undefined => {
    const place = checkouts.current();
    if (place === undefined) return undefined;
    const { checkout, folder } = place;
    return {
      checkout,
      folder: checkouts.folders().length > 1 ? folderName(folder.path) : undefined,
      clone: session.model.clones.get(checkout.clone ?? ''),
      migrations: checkouts.migrationsOf(checkout),
      sourceFiles: checkouts.sourceFilesOf(checkout),
    };
  };
  const show = (): void => {
    if (!vscode.workspace.getConfiguration('thinClones').get<boolean>('statusBar.enabled', true)) {
      item.hide();
      return;
    }
    const place = current();
    const { text, tooltip, alarm } = statusText(session.state, session.model, place);
    item.text = text;
    const rich =
      place === undefined || place.checkout.state === 'off' || session.state.kind === 'failed'
        ? undefined
        : hover(place);
    // A new hover closes the one that somebody reads.
    const written = rich?.value ?? tooltip;
    if (written !== hovered) item.tooltip = rich ?? tooltip;
    hovered = written;
    item.accessibilityInformation = { label: tooltip };
    item.backgroundColor = backgrounds[alarm];
    item.show();
  };
  const hover = (place: CurrentCheckout): vscode.MarkdownString => {
    const running = [...session.model.jobs.values()].filter(isUnfinished);
    const engineStopped = session.state.kind === 'stopped';
    const jobs = engineStopped ? [] : running;
    const text = new vscode.MarkdownString(
      checkoutHover(place, { now: Date.now(), jobs, engineStopped }),
      true,
    );
    text.isTrusted = { enabledCommands: hoverCommands };
    return text;
  };
  show();
  return vscode.Disposable.from(
    item,
    session.onDidChangeState(show),
    session.model.onDidChange(show),
    checkouts.onDidChange(show),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('thinClones.statusBar')) show();
    }),
  );
}
