/** What is said of a clone. */
import { calledHere, hostOfClone } from '../../protocol/calledHere.ts';
import { wordsOf } from '../../protocol/engineWords.ts';
import { formatConnection } from '../../protocol/connectionString.ts';
import type { Clone, Connection } from '../../protocol/entities.ts';
import { formatAge, formatBytes, formatFields, printable } from '../format.ts';

export const protection = (clone: Clone): string =>
  clone.protectedUntil === null
    ? '-'
    : clone.protectedUntil === 'forever'
      ? 'forever'
      : `until ${clone.protectedUntil}`;

function stateText({ state, stoppedBy, problem }: Clone): string {
  const by = state === 'stopped' && stoppedBy !== null ? ` by ${stoppedBy}` : '';
  return problem === null ? `${state}${by}` : `${state}${by}: ${problem}`;
}

/** Ports of another host are none of this machine: there `clone url` opens one. */
export function portText(clone: Clone): string {
  const host = hostOfClone(clone);
  return host === undefined ? clone.members.map(({ port }) => port).join(', ') : `on ${host}`;
}

export function cloneText(clone: Clone, snapshotName: string | undefined, now: number): string {
  return formatFields([
    ['clone', calledHere(clone)],
    ['id', clone.id],
    ['environment', clone.environment],
    ['snapshot', snapshotName === undefined ? clone.snapshot : `${snapshotName} (${clone.snapshot})`],
    ['state', stateText(clone)],
    ['made', `${clone.createdAt} (${formatAge(clone.createdAt, now)}) by ${clone.createdBy}`],
    ['reset', clone.resetAt === null ? 'never' : `${clone.resetAt} (${formatAge(clone.resetAt, now)})`],
    ['protected', protection(clone)],
    ['size', `${formatBytes(clone.bytes.logical)}, ${formatBytes(clone.bytes.unshared)} of its own`],
    ...(clone.branch === null ? [] : [['branch', clone.branch] as const]),
    ...clone.members.map(
      (member) =>
        [
          `member ${member.name}`,
          `${member.engine} ${member.version}, ${member.state}, ${placeText(clone, member)}, user ${member.user}, database ${member.database}`,
        ] as const,
    ),
  ]);
}

const placeText = (clone: Clone, { name, host, port }: Clone['members'][number]): string =>
  hostOfClone(clone) === undefined
    ? `${host}:${port}`
    : `on ${host} (a port of this machine: thin-clones clone url ${calledHere(clone)}${clone.members.length > 1 ? ` --member ${name}` : ''})`;

/** What people want next: how to connect, for each member. */
export function readyText(clone: Clone, connections: readonly Connection[], done: string): string {
  const lines = connections.map((connection) => {
    const uri = printable(formatConnection(connection, 'uri'));
    return connections.length === 1 ? uri : `${connection.name}: ${uri}`;
  });
  return [`Clone ${calledHere(clone)} ${done}.`, ...lines, `Open it: ${openCommand(clone)}`].join('\n');
}
const openCommand = (clone: Clone): string =>
  `${wordsOf(clone.members[0]?.engine).terminalProgram} "$(thin-clones clone url ${calledHere(clone)}${clone.members.length > 1 ? ` --member ${clone.members[0]?.name ?? ''}` : ''})"`;
