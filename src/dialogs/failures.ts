/** Tells people what failed, what to do next, and offers the button that does it. */
import * as vscode from 'vscode';
import type { ErrorDocument, Job } from '../../engine/protocol/entities.ts';
import { toFailure } from '../../engine/protocol/errors.ts';
import { runCommand } from '../commands/runCommand.ts';
import type { Model } from '../engine/model.ts';
import { failedHost } from './failedHost.ts';
import { sentences } from './sentences.ts';
import { NotTrusted, type Services } from '../services.ts';
import { withLocalTimes } from '../views/amounts.ts';
import { plain } from '../views/markdown.ts';

/** A job that was waited for and did not succeed. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed';
  readonly job: Job;
  constructor(job: Job) {
    super(job.error?.message ?? job.title);
    this.job = job;
  }
}

/** A refresh that did not even begin. */
export class RefreshRefused extends Error {
  override readonly name = 'RefreshRefused';
  readonly environment: string;
  constructor(environment: string, cause: unknown) {
    super(toFailure(cause).message, { cause });
    this.environment = environment;
  }
}

/** What was asked for can't be done, because of something that the cause alone names. */
export class Refused extends Error {
  override readonly name = 'Refused';
  /** "Snapshot nightly can't be deleted". */
  readonly subject: string;
  constructor(subject: string, cause: unknown) {
    super(toFailure(cause).message, { cause });
    this.subject = subject;
  }
}

interface Button {
  readonly title: string;
  run(): Thenable<unknown> | Promise<unknown>;
}

/** What mends an error, when there is a command for it: about the very object that the error names, where it is known. */
function remedy(error: ErrorDocument, job: Job | undefined, model: Model): Button | undefined {
  const { details } = error;
  const host = failedHost(error, job, model.environments);
  const named = (field: string): string => {
    const value = details[field];
    return typeof value === 'string' ? value : '';
  };
  switch (error.code) {
    case 'state_blocked':
      return { title: 'Rebuild Engine State', run: () => runCommand('thinClones.engine.rebuild') };
    case 'no_snapshot':
      return {
        title: 'Refresh Environment',
        run: () =>
          runCommand('thinClones.environment.refresh', { kind: 'environment', key: named('environment') }),
      };
    case 'clone_protected':
      return { title: 'Change Protection', run: () => changeProtection(named('clone'), model) };
    case 'host_unreachable':
    case 'host_timeout':
    case 'host_refused':
    case 'host_dns':
    case 'host_login':
    case 'host_key_unknown':
    case 'host_unanswered':
      return host === undefined || model.hosts.get(host)?.kind !== 'ssh'
        ? { title: 'Host Doctor', run: () => runCommand('thinClones.host.doctor') }
        : {
            title: 'Reconnect',
            run: () => runCommand('thinClones.host.reconnect', { kind: 'host', key: host }),
          };
    case 'host_declined':
      return { title: 'Add Host…', run: () => runCommand('thinClones.host.add') };
    case 'host_in_use':
      return host === undefined
        ? undefined
        : {
            title: 'Only Forget It',
            run: () => runCommand('thinClones.host.remove', { kind: 'host', key: host }),
          };
    case 'programs_missing':
      return {
        title: 'Host Doctor',
        run: () =>
          host === undefined
            ? runCommand('thinClones.host.doctor')
            : runCommand('thinClones.host.doctor', { kind: 'host', key: host }),
      };
    case 'protocol_mismatch':
      return {
        title: 'Reload Window',
        run: () => vscode.commands.executeCommand('workbench.action.reloadWindow'),
      };
    default:
      return undefined;
  }
}

async function changeProtection(name: string, { clones }: Model): Promise<void> {
  const clone = [...clones.values()].find((each) => each.name === name);
  await (clone === undefined
    ? runCommand('thinClones.clone.protect')
    : runCommand('thinClones.clone.protect', { kind: 'clone', key: clone.id }));
}

/** The commands of the command line that `next` may name are no use in a window that has buttons for them. */
const nextStep = (error: ErrorDocument, hasRemedy: boolean): string =>
  hasRemedy && error.next.includes('thin-clones ') ? '' : error.next;

/** What of several environments and clones it is about: the error alone does not say so. */
function subjectOf(thrown: unknown, job: Job | undefined): string | undefined {
  if (thrown instanceof RefreshRefused) return `Refresh of ${thrown.environment} failed`;
  if (thrown instanceof Refused) return thrown.subject;
  if (job === undefined) return undefined;
  return job.type === 'environment.refresh' ? `Refresh of ${job.environment ?? ''} failed` : job.title;
}

/** A refresh is tried again by itself: the command that began it may have asked for much more before. */
function retryOf(
  thrown: unknown,
  job: Job | undefined,
  retry: (() => Promise<unknown>) | undefined,
): (() => Promise<unknown>) | undefined {
  const environment =
    thrown instanceof RefreshRefused
      ? thrown.environment
      : job?.type === 'environment.refresh'
        ? job.environment
        : null;
  return environment === null
    ? retry
    : () => runCommand('thinClones.environment.refresh', { kind: 'environment', key: environment });
}

/** Shows the error and runs the chosen button. Resolves when the message is gone. */
export async function showFailure(
  services: Services,
  thrown: unknown,
  retry: (() => Promise<unknown>) | undefined,
): Promise<void> {
  const cause = thrown instanceof RefreshRefused || thrown instanceof Refused ? thrown.cause : thrown;
  if (cause instanceof NotTrusted) {
    const manage = 'Manage Workspace Trust';
    const chosen = await vscode.window.showWarningMessage(cause.message, manage);
    if (chosen === manage) await vscode.commands.executeCommand('workbench.trust.manage');
    return;
  }
  const job = thrown instanceof JobFailed ? thrown.job : undefined;
  const error = job?.error ?? toFailure(cause).document;
  if (error.code === 'canceled') return;
  services.log.error(
    `${error.code}: ${error.message}`,
    ...(cause instanceof Error && job === undefined ? [cause] : []),
  );
  const mend = remedy(error, job, services.session.model);
  const again = retryOf(thrown, job, retry);
  const buttons: Button[] = [
    ...(mend === undefined ? [] : [mend]),
    ...(again === undefined || !(error.retryable || again !== retry) ? [] : [{ title: 'Retry', run: again }]),
    job === undefined
      ? error.code.startsWith('engine_') || error.code === 'internal'
        ? { title: 'Show Engine Log', run: () => runCommand('thinClones.engine.showLog') }
        : { title: 'Show Log', run: () => runCommand('thinClones.showLog') }
      : { title: 'Show Log', run: () => runCommand('thinClones.job.show', { kind: 'job', key: job.id }) },
  ];
  const subject = subjectOf(thrown, job);
  const text = withLocalTimes(
    plain(
      sentences(
        ...(subject === undefined ? [] : [`${subject}:`]),
        error.message,
        nextStep(error, mend !== undefined),
      ),
    ),
    Date.now(),
  );
  const chosen = await vscode.window.showErrorMessage(text, ...buttons.map(({ title }) => title));
  await buttons.find(({ title }) => title === chosen)?.run();
}
