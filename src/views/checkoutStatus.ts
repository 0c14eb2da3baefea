/** What the status bar item says of the current checkout, in a few characters, and in its hover. */
import { calledHere } from '../../engine/protocol/calledHere.ts';
import type { Checkout, Clone, Job } from '../../engine/protocol/entities.ts';
import type { CommandId } from '../commands/commandIds.ts';
import { commandLink as link } from '../commands/commandLink.ts';
import { canHaveDatabase, durationText, headText, startText, stateTexts } from '../checkouts/checkoutText.ts';
import type { MigrationSummary } from '../checkouts/migrationSummary.ts';
import { sourceFilesLine, type SourceFile } from '../checkouts/sourceFileText.ts';
import { ageOf, percentOf } from './amounts.ts';
import { escaped } from './markdown.ts';

export interface CurrentCheckout {
  readonly checkout: Checkout;
  readonly clone: Clone | undefined;
  /** Its name, where the window has several. */
  readonly folder: string | undefined;
  readonly migrations: MigrationSummary | undefined;
  readonly sourceFiles: readonly SourceFile[];
}

/** Beside Git's own item, which names the branch too: the words say that this one is about its database. */
const words: Readonly<Record<Checkout['state'], string>> = {
  ...stateTexts,
  asking: 'no database',
  failed: 'no database',
};

function wordsOf(checkout: Checkout, engineStopped: boolean): string {
  if (engineStopped) return 'engine stopped';
  return isTaken(checkout) ? 'port taken' : words[checkout.state];
}

/** Somebody has to answer, or to look. */
const alarming: ReadonlySet<Checkout['state']> = new Set(['asking', 'failed']);

export interface CheckoutStatus {
  readonly text: string;
  readonly tooltip: string;
  readonly alarm: 'none' | 'warning';
}

const isTaken = ({ endpoints }: Checkout): boolean => endpoints.some(({ state }) => state === 'taken');

/** "ready", "no database: HEAD is detached", "the engine is stopped". */
function standing({ checkout }: CurrentCheckout, engineStopped: boolean): string {
  if (engineStopped) return 'the engine is stopped, so its ports lead nowhere';
  if (isTaken(checkout)) return 'another program has its port';
  return checkout.reason === null
    ? stateTexts[checkout.state]
    : `${stateTexts[checkout.state]}: ${checkout.reason}`;
}

export function checkoutStatus(
  current: CurrentCheckout,
  { engineStopped, jobs }: { engineStopped: boolean; jobs: readonly Job[] },
): CheckoutStatus {
  const { checkout, folder, migrations } = current;
  const name = folder === undefined ? headText(checkout) : `${headText(checkout)} in ${folder}`;
  const trouble = checkout.state === 'ready' ? migrations?.trouble : undefined;
  const taken = isTaken(checkout);
  const icon = checkout.state === 'switching' && !engineStopped && !taken ? 'loading~spin' : 'database';
  // The job that the switch waits for is the switch; others go on beside it.
  const others = jobs.filter(({ id }) => id !== checkout.job);
  const work = others.length === 0 || engineStopped ? '' : ' $(sync~spin)';
  return {
    text: `$(${icon}) ${name}: ${wordsOf(checkout, engineStopped)}${trouble === undefined ? '' : ` · ${trouble}`}${work}`,
    tooltip: [
      `Database of branch ${name}, ${standing(current, engineStopped)}`,
      trouble === undefined ? undefined : `migrations: ${trouble}`,
      checkout.problem ?? undefined,
      ...others.map((job) => `${job.title}, ${percentOf(job.progress)}`),
    ]
      .filter((part) => part !== undefined)
      .join(', '),
    alarm:
      engineStopped || alarming.has(checkout.state) || taken || checkout.problem !== null
        ? 'warning'
        : 'none',
  };
}

const optional = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : escaped(text);
const code = (text: string): string => `\`${text.replaceAll('`', "'")}\``;

/** The commands that the hover links to; VS Code runs no others from it. */
export const hoverCommands: readonly CommandId[] = [
  'thinClones.branch.copyUrl',
  'thinClones.branch.openPsql',
  'thinClones.branch.reset',
  'thinClones.branch.use',
  'thinClones.branch.chooseEnvironment',
  'thinClones.clone.bind',
  'thinClones.branch.answer',
  'thinClones.branch.showMigrations',
  'thinClones.branch.otherPorts',
  'thinClones.engine.start',
  'thinClones.showMenu',
];

/** A window has links for what the command line has commands for. */
const nextStep = ({ next }: Checkout): string | undefined =>
  next === null || next.includes('thin-clones ') ? undefined : escaped(next);

/** Markdown. */
export function checkoutHover(
  current: CurrentCheckout,
  { now, jobs, engineStopped = false }: { now: number; jobs: readonly Job[]; engineStopped?: boolean },
): string {
  const { checkout, clone, migrations } = current;
  const { question, switchedAt, switchMs } = checkout;
  const facts: readonly (readonly [string, string | undefined])[] = [
    [
      'State',
      checkout.state === 'ready' && !engineStopped ? undefined : escaped(standing(current, engineStopped)),
    ],
    ['Next', engineStopped ? undefined : nextStep(checkout)],
    ['Caution', optional(sourceFilesLine(current.sourceFiles))],
    ['Would start from', question === null ? undefined : escaped(startText(question.from))],
    ['Environment', checkout.environment === null ? 'none is chosen' : escaped(checkout.environment)],
    ['Clone', clone === undefined ? undefined : escaped(calledHere(clone))],
    ...checkout.endpoints.map(
      ({ member, host, port, database, state }) =>
        [
          escaped(member),
          `${code(`${host}:${port}/${database}`)}${engineStopped ? ', closed until the engine runs' : state === 'taken' ? ', **taken by another program**' : ', the same on every branch'}`,
        ] as const,
    ),
    [
      'Switched',
      switchedAt === null
        ? undefined
        : `${ageOf(switchedAt, now)}${switchMs === null ? '' : `, in ${durationText(switchMs)}`}`,
    ],
    ['Migrations', migrations?.line === undefined ? undefined : escaped(migrations.line)],
    ['Variables', Object.keys(checkout.variables).map(code).join(', ')],
    [
      'File',
      checkout.envFile === null
        ? undefined
        : `${code(checkout.envFile.file)}${checkout.envFile.state === 'written' ? '' : `: ${escaped(checkout.envFile.problem ?? 'waits for your consent')}`}`,
    ],
    ['Problem', checkout.problem === null ? undefined : escaped(checkout.problem)],
    ...jobs.map((job) => ['Running', `${escaped(job.title)}, ${percentOf(job.progress)}`] as const),
  ];
  const lines = facts
    .filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== '')
    .map(([name, value]) => `**${name}:** ${value}`);
  return `### ${escaped(headText(checkout))}\n\n${lines.join('  \n')}\n\n---\n\n${links(current, engineStopped).join(' · ')}`;
}

/** What to do for a database that a checkout does not lead to, by the state of its clone: a ready one is out of reach. */
const databaseLinks: Readonly<Record<string, string>> = { stopped: 'Start Clone', ready: 'Try Again' };

function links({ checkout, clone, migrations }: CurrentCheckout, engineStopped: boolean): string[] {
  if (engineStopped)
    return [link('Start Engine', 'thinClones.engine.start'), link('Menu', 'thinClones.showMenu')];
  return [
    ...(checkout.state === 'asking' ? [link('Answer', 'thinClones.branch.answer')] : []),
    ...(checkout.state !== 'none' && checkout.state !== 'failed'
      ? []
      : checkout.environment === null
        ? [link('Choose Environment', 'thinClones.branch.chooseEnvironment')]
        : canHaveDatabase(checkout)
          ? [link(databaseLinks[clone?.state ?? ''] ?? 'Create Clone', 'thinClones.branch.use')]
          : [link('Use a Clone…', 'thinClones.clone.bind')]),
    ...(isTaken(checkout) ? [link('Other Ports', 'thinClones.branch.otherPorts')] : []),
    ...(checkout.clone === null
      ? []
      : [link('Reset', 'thinClones.branch.reset'), link('psql', 'thinClones.branch.openPsql')]),
    ...(checkout.endpoints.length === 0 ? [] : [link('Copy URL', 'thinClones.branch.copyUrl')]),
    ...(migrations?.line === undefined ? [] : [link('Migrations', 'thinClones.branch.showMigrations')]),
    link('Menu', 'thinClones.showMenu'),
  ];
}
