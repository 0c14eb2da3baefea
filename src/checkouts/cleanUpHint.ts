/** Says with a quiet badge on the view that clones of finished branches could be cleaned up. */
import * as vscode from 'vscode';
import { gathered, systemTimer } from '../engine/model.ts';
import type { Services } from '../services.ts';
import { countOf } from '../views/amounts.ts';
import { isOffered } from './proposals.ts';

/** Git is asked for it each time. */
const intervalMs = 10 * 60_000;

export function hintAtCleanUp(
  services: Services,
  view: { badge?: vscode.ViewBadge | undefined },
): vscode.Disposable {
  const { session, checkouts } = services;
  let clones = 0;
  let offered = new Set<string>();
  const show = (): void => {
    const count = [...offered].filter((id) => session.model.clones.has(id)).length;
    view.badge =
      count === 0
        ? undefined
        : { value: count, tooltip: `${countOf(count, 'clone')} of finished branches can be cleaned up` };
  };
  const ask = async (): Promise<void> => {
    if (session.state.kind !== 'connected' || checkouts.follower.places().length === 0) return;
    try {
      const { items } = await (await session.connect()).call('proposalList', {});
      offered = new Set(items.filter(isOffered).map(({ clone }) => clone));
      show();
    } catch (error) {
      // best effort: the command "Clean Up" shows the failure to whoever asks
      services.log.info(`No proposals: ${String(error)}`);
    }
  };
  const askNowAndThen = gathered(() => void ask(), intervalMs, systemTimer);
  const look = (): void => {
    if (checkouts.follower.places().some(({ checkout }) => checkout.follow !== 'off')) askNowAndThen();
    if (session.model.clones.size === clones) return;
    clones = session.model.clones.size;
    show();
  };
  look();
  return vscode.Disposable.from(checkouts.onDidChange(look));
}
