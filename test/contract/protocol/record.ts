/**
 * Keeps what this version says and understands, for the versions to come: `node test/contract/protocol/record.ts`. Run for each version
 * that is released; what is recorded of one that was released is not changed any more.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { protocolVersion } from '../../../engine/protocol/wire.ts';
import { openWorld } from '../../faults/world.ts';
import { repository } from '../../support/engine.ts';
import { contractOfToday } from './contractOfToday.ts';
import { converse } from './conversation.ts';
import { recordedFolder } from './recordings.ts';

/** Enough to see what each looks like. */
const mostOfAKind = 6;

function someOfEach<Event extends { kind: string }>(events: readonly Event[]): Event[] {
  const counts = new Map<string, number>();
  return events.filter(({ kind }) => {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count <= mostOfAKind;
  });
}

const world = await openWorld();
try {
  const { version } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8')) as {
    version: string;
  };
  const { said, events } = await converse(world);
  const lines = (documents: readonly object[]): string =>
    `[\n${documents.map((each) => JSON.stringify(each)).join(',\n')}\n]`;
  const text = [
    `{ "protocol": ${protocolVersion}, "version": ${JSON.stringify(version)}, "contract":`,
    `${JSON.stringify(contractOfToday())}, "said":`,
    `${lines(said)}, "events":`,
    `${lines(someOfEach(events))} }`,
  ]
    .join('\n')
    .replaceAll(world.engine.home, '/home/me/.local/share/thin-clones')
    .replaceAll(world.store, '/pool')
    .replaceAll(repository, '/opt/thin-clones')
    .replaceAll(/("password":")[^"]+/g, '$1password')
    .replaceAll(/("pid":)\d+/g, '$11000')
    .replaceAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----(?:\\n)?/g, 'a certificate');
  const file = join(recordedFolder, `${version}.json`);
  await writeFile(file, `${text}\n`);
  console.log(`${file}: ${said.length} answers, ${events.length} events`);
} finally {
  await world.dispose();
}
