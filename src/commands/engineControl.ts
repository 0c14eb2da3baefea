/** Starts, stops and restarts the engine, and says why it is not running. */
import * as vscode from 'vscode';
import { showFailure } from '../dialogs/failures.ts';
import { ThinClonesError } from '../../engine/protocol/errors.ts';
import type { Services } from '../services.ts';

export async function startEngine(services: Services): Promise<void> {
  await services.client();
}

export async function stopEngine(services: Services): Promise<void> {
  await services.session.stop();
  vscode.window.setStatusBarMessage('$(check) Engine stopped, clones go on', 5000);
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
