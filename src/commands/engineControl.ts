/** Starts, stops and restarts the engine, and says why it is not running. */
import * as vscode from 'vscode';
import { folderName, headText } from '../checkouts/checkoutText.ts';
import { showFailure } from '../dialogs/failures.ts';
import { ThinClonesError } from '../../engine/protocol/errors.ts';
import type { Services } from '../services.ts';
import { countOf } from '../views/amounts.ts';
import { isUnfinished } from '../views/treeRows.ts';

export async function startEngine(services: Services): Promise<void> {
  await services.client();
}

/** Named in the question; more are counted. */
const namedPorts = 8;

/** The stable ports that lead somewhere as long as the engine runs, with whose they are. */
const stablePorts = ({ session }: Services): string[] =>
  [...session.model.checkouts.values()]
    .filter(({ state }) => state !== 'off')
    .flatMap((checkout) =>
      checkout.endpoints.map(
        ({ host, port }) => `${host}:${port} (${headText(checkout)} in ${folderName(checkout.path)})`,
      ),
    );

export async function stopEngine(services: Services): Promise<void> {
  const ports = stablePorts(services);
  const jobs = [...services.session.model.jobs.values()].filter(isUnfinished);
  if (services.session.state.kind === 'connected' && ports.length + jobs.length > 0) {
    const more = ports.length - namedPorts;
    const detail = [
      'Clones go on at their own ports.',
      ...(ports.length === 0
        ? []
        : [
            `${ports.length === 1 ? 'This stable port leads' : 'These stable ports lead'} nowhere until the engine runs again:\n${ports.slice(0, namedPorts).join('\n')}${more > 0 ? `\nand ${more} more` : ''}`,
          ]),
      ...(jobs.length === 0
        ? []
        : [
            `What is under way is finished or undone when it runs again: ${jobs.map(({ title }) => title).join(', ')}.`,
          ]),
    ].join('\n\n');
    const stop = 'Stop Engine';
    const chosen = await vscode.window.showWarningMessage('Stop the engine?', { modal: true, detail }, stop);
    if (chosen !== stop) return;
  }
  await services.session.stop();
  const closed = ports.length === 0 ? '' : `, ${countOf(ports.length, 'stable port')} closed`;
  vscode.window.setStatusBarMessage(`$(check) Engine stopped${closed}, clones go on`, 5000);
}

export async function restartEngine(services: Services): Promise<void> {
  await services.session.stop();
  await services.client();
}

/** The welcome text can't hold the reason itself: texts in package.json are fixed. */
export async function showEngineProblem(services: Services): Promise<void> {
  const { state } = services.session;
  if (state.kind === 'failed') {
    await showFailure(services, new ThinClonesError(state.error, 503), () => startEngine(services));
  } else if (state.kind === 'connected' && state.info.problem !== null) {
    await vscode.window.showErrorMessage(state.info.problem);
  } else {
    await vscode.window.showInformationMessage('The engine has no problem.');
  }
}
