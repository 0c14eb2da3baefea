/** Tells how far the way to a host has been gone, step by step: what was done, what is being done, what was found. */
import type { DoctorCheck, ErrorDocument, Host } from '../../engine/protocol/entities.ts';
import { escaped, fenced, oneLine } from '../views/markdown.ts';

export interface Step {
  readonly state: 'done' | 'doing' | 'warning' | 'problem' | 'unused';
  readonly name: string;
  readonly text: string;
  /** A command that mends it, as it stands. */
  readonly fix: string | null;
}

export interface Steps {
  readonly checks: readonly DoctorCheck[];
  /** What is being done, and what was done before. */
  readonly doings: readonly string[];
  readonly isOver: boolean;
}

export const noSteps: Steps = { checks: [], doings: [], isOver: false };

/** "12 of 94 MB" is the same step as "13 of 94 MB". */
const withoutNumbers = (text: string): string => text.replaceAll(/\d+/g, '');

/** With what the host tells now. */
export function stepsWith({ checks, doings, isOver }: Steps, host: Host | undefined): Steps {
  const doing = host?.doing ?? null;
  const last = doings.at(-1);
  const isSame = last !== undefined && doing !== null && withoutNumbers(last) === withoutNumbers(doing);
  return {
    checks: host === undefined || host.checks.length === 0 ? checks : host.checks,
    doings: doing === null ? doings : [...(isSame ? doings.slice(0, -1) : doings), doing],
    isOver,
  };
}

const checkStates: Readonly<Record<DoctorCheck['status'], Step['state']>> = {
  ok: 'done',
  unused: 'unused',
  warning: 'warning',
  problem: 'problem',
};

/** In the order in which they came: what was done, then what was found by it. */
export function stepsShown({ checks, doings, isOver }: Steps): Step[] {
  return [
    ...checks.map(({ name, status, message, fix }) => ({
      ...{ state: checkStates[status], name, text: message, fix },
    })),
    // What was found says itself what was done for it.
    ...(checks.length === 0 ? doings : isOver ? [] : doings.slice(-1)).map((text, index, all): Step => {
      const isLast = index === all.length - 1;
      return { state: isLast && !isOver ? 'doing' : 'done', name: text, text: '', fix: null };
    }),
  ];
}

/** Markdown: all that is known of an attempt that failed. */
export function attemptPage(
  name: string,
  address: string,
  steps: Steps,
  error: Pick<ErrorDocument, 'code' | 'message' | 'next'>,
): string {
  const marks: Readonly<Record<Step['state'], string>> = {
    ...{ done: '✓', doing: '…', warning: '!', problem: '✗', unused: '–' },
  };
  return [
    `# Adding host ${escaped(name)}`,
    `**Address:** \`${address}\``,
    `✗ ${escaped(oneLine(error.message))}`,
    escaped(error.next),
    ...stepsShown({ ...steps, isOver: true }).map(({ state, name: step, text, fix }) =>
      [
        `${marks[state]} **${escaped(oneLine(step))}**${text === '' ? '' : `: ${escaped(oneLine(text))}`}`,
        ...(fix === null ? [] : [fenced(fix, 'sh')]),
      ].join('\n\n'),
    ),
    `**Code:** \`${error.code}\``,
  ].join('\n\n');
}
