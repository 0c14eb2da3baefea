/** A list in which one sees how far the way to a host has been gone; Escape ends the attempt. */
import * as vscode from 'vscode';
import type { Host } from '../../engine/protocol/entities.ts';
import { plain } from '../views/markdown.ts';
import { noSteps, stepsShown, stepsWith, type Step, type Steps } from './steps.ts';

export interface StepList {
  tell(host: Host | undefined): void;
  /** Another box takes its place for a while. */
  setAside(isAside: boolean): void;
  steps(): Steps;
  close(): void;
}

const icons: Readonly<Record<Step['state'], string>> = {
  done: 'check',
  doing: 'loading~spin',
  warning: 'warning',
  problem: 'error',
  unused: 'dash',
};

const copyFix: vscode.QuickInputButton = {
  iconPath: new vscode.ThemeIcon('copy'),
  tooltip: 'Copy the Command That Mends It',
};

interface Item extends vscode.QuickPickItem {
  readonly fix: string | null;
}

const itemOf = ({ state, name, text, fix }: Step): Item => ({
  label: plain(name),
  description: plain(text),
  iconPath: new vscode.ThemeIcon(icons[state]),
  alwaysShow: true,
  ...(fix !== null && { buttons: [copyFix] }),
  fix,
});

export function showSteps(options: {
  readonly title: string;
  readonly placeholder: string;
  readonly onLeft: () => void;
}): StepList {
  const pick = vscode.window.createQuickPick<Item>();
  let steps = noSteps;
  let isAside = false;
  let isClosed = false;
  pick.title = options.title;
  pick.placeholder = options.placeholder;
  pick.busy = true;
  pick.ignoreFocusOut = true;
  const draw = (): void => {
    pick.items = stepsShown(steps).map(itemOf);
  };
  pick.onDidTriggerItemButton(({ item }) => {
    if (item.fix !== null) void vscode.env.clipboard.writeText(item.fix);
  });
  pick.onDidHide(() => {
    if (isAside || isClosed) return;
    isClosed = true;
    options.onLeft();
    pick.dispose();
  });
  pick.show();
  return {
    tell(host) {
      steps = stepsWith(steps, host);
      if (!isClosed) draw();
    },
    setAside(next) {
      isAside = next;
      if (!next && !isClosed) pick.show();
    },
    steps: () => steps,
    close() {
      isClosed = true;
      pick.dispose();
    },
  };
}
