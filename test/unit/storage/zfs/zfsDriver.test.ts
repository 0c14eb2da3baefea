import assert from 'node:assert/strict';
import { createFakeMachine, type FakeMachine } from '../../../../engine/machine/fake/fakeMachine.ts';
import type { CommandResult } from '../../../../engine/machine/machine.ts';
import { isFailure } from '../../../../engine/protocol/errors.ts';
import { hostNameSchema } from '../../../../engine/protocol/ids.ts';
import type { TreeDriver } from '../../../../engine/storage/treeDriver.ts';
import { createZfsCommands } from '../../../../engine/storage/zfs/commands.ts';
import { createZfsDriver } from '../../../../engine/storage/zfs/zfsDriver.ts';
import { newDatasetId, newInstallationId, tagsOf } from '../../../contract/storage/tags.ts';

const installation = newInstallationId();
const root = '/tank/thin';

/** Answers by what the command is; everything else succeeds in silence. */
type Answer = (args: readonly string[]) => Partial<CommandResult> | undefined;

async function given(answer: Answer = () => undefined, isRoot = true) {
  const commands: string[][] = [];
  const machine: FakeMachine = createFakeMachine({
    name: hostNameSchema.parse('local'),
    ...(isRoot && { serverUser: { name: 'pg', uid: 1, gid: 1 } }),
  });
  const program = ({ program: name, args }: { program: string; args: readonly string[] }) => {
    commands.push([name, ...args]);
    return answer(name === 'sudo' ? args.slice(3) : args) ?? {};
  };
  for (const name of ['/usr/sbin/zfs', '/usr/sbin/zpool', 'sudo', 'id']) machine.programs.set(name, program);
  await machine.files.makeDirectory('/usr/sbin');
  for (const name of ['zfs', 'zpool']) await machine.files.writeAtomic(`/usr/sbin/${name}`, '');
  const zfs = await createZfsCommands({ machine, root, patience: 5 });
  const driver: TreeDriver = createZfsDriver({ machine, zfs, installation, parent: 'tank/thin', root });
  return { machine, driver, commands };
}

const mountInfo = (id: string, options: string): string =>
  `1 0 0:5 / / rw - ext4 /dev/vda rw\n77 1 0:50 / ${root}/data/${id} ${options},relatime - zfs tank/thin/data/${id} rw\n`;
const absent = (args: readonly string[]) => ({
  code: 1,
  stderr: `cannot open '${args.at(-1) ?? ''}': dataset does not exist\n`,
});

describe('the driver of ZFS', () => {
  const [from, to] = [newDatasetId(), newDatasetId()];
  const tags = tagsOf(installation, to, 'filling');

  it('makes a clone of a read-only dataset by one command, which says whose it is', async () => {
    const { machine, driver, commands } = await given();
    await machine.files.makeDirectory('/proc/self');
    await machine.files.writeAtomic('/proc/self/mountinfo', mountInfo(from, 'ro'));
    await driver.copyTree(`${root}/data/${from}`, `${root}/data/${to}`, {}, tags);
    assert.equal(commands.length, 1);
    const [program, verb, ...rest] = commands[0] ?? [];
    assert.deepEqual([program, verb], ['/usr/sbin/zfs', 'clone']);
    assert.deepEqual(rest.slice(-2), [`tank/thin/data/${from}@kept`, `tank/thin/data/${to}`]);
    for (const value of [
      `thin-clones:installation=${installation}`,
      `thin-clones:dataset=${to}`,
      'thin-clones:state=filling',
      'thin-clones:environment=shop',
      'thin-clones:member=orders',
      'thin-clones:clone=feature/a',
    ])
      assert.ok(rest.includes(value), `${value} in ${rest.join(' ')}`);
    assert.ok(!rest.join(' ').includes('sealed'), 'anybody can read a property');
  });

  it('makes a clone of one that is written by a snapshot that goes with the clone', async () => {
    const { machine, driver, commands } = await given();
    await machine.files.makeDirectory('/proc/self');
    await machine.files.writeAtomic('/proc/self/mountinfo', mountInfo(from, 'rw'));
    await driver.copyTree(`${root}/data/${from}`, `${root}/data/${to}`, {}, tags);
    const snapshot = commands[0]?.at(-1) ?? '';
    assert.match(snapshot, new RegExp(`^tank/thin/data/${from}@${to}\\.[0-9a-f]{12}$`));
    assert.deepEqual(
      commands.map((words) => words.slice(1).filter((word) => !/^-o$|^thin-clones:/.test(word))),
      [
        ['snapshot', snapshot],
        ['clone', snapshot, `tank/thin/data/${to}`],
        ['destroy', '-d', snapshot],
      ],
    );
  });

  it('goes through sudo without root, by the whole path of the program', async () => {
    const { driver, commands } = await given(undefined, false);
    await driver.makeReadOnly(`${root}/data/${from}`);
    const dataset = `tank/thin/data/${from}`;
    assert.deepEqual(commands, [
      ['sudo', '-n', '--', '/usr/sbin/zfs', 'set', 'readonly=on', dataset],
      ['sudo', '-n', '--', '/usr/sbin/zfs', 'snapshot', `${dataset}@kept`],
      ['sudo', '-n', '--', '/usr/sbin/zfs', 'hold', 'thin-clones', `${dataset}@kept`],
    ]);
  });

  it('puts nothing aside that is not ours, or that has something of somebody else below it', async () => {
    for (const [listed, problem] of [
      [`tank/thin/data/${to}\t-\t-\n`, /ours/],
      [`tank/thin/data/${to}\t${newInstallationId()}\t${to}\n`, /ours/],
      [`tank/thin/data/${to}\t${installation}\t${from}\n`, /ours/],
      [
        `tank/thin/data/${to}\t${installation}\t${to}\ntank/thin/data/${to}/mine\t${installation}\t${to}\n`,
        /mine/,
      ],
    ] as const) {
      const { driver, commands } = await given(([verb]) =>
        verb === 'list' ? { stdout: listed } : undefined,
      );
      await assert.rejects(
        driver.aside?.put(`${root}/data/${to}`, `${root}/trash/${to}.00`) ?? Promise.resolve(),
        (error) => isFailure(error, 'storage_foreign') && problem.test(error.message),
      );
      assert.ok(commands.every((words) => words.includes('list')));
    }
  });

  it('tells how much compression saves where zfs says it', async () => {
    for (const [ratio, compression] of [
      ['1.85', 1.85],
      ['-', undefined],
    ] as const) {
      const { driver } = await given(([verb]) =>
        verb === 'list' ? { stdout: `1000\t3000\t${ratio}\n` } : undefined,
      );
      assert.deepEqual(await driver.space?.(), { totalBytes: 4000, freeBytes: 3000, compression });
    }
  });

  it('has nothing to put aside where there is no dataset', async () => {
    const { driver } = await given(absent);
    assert.equal(await driver.aside?.put(`${root}/data/${to}`, `${root}/trash/${to}.00`), false);
  });

  it('frees what was given up after what depends on it, and leaves what others need, hold or own', async () => {
    const ids = Array.from({ length: 6 }, () => newDatasetId());
    const [origin, copy, needed, held, child, strange] = ids.map((id) => `tank/thin/trash/${id}.0a`);
    const line = (
      name: string,
      txg: number,
      clones = '-',
      holds = '-',
      owner: string = installation,
    ): string => [name, txg, clones, holds, owner, name.split('/')[3]?.split('.')[0]].join('\t');
    const listing = [
      line('tank/thin/trash', 1),
      line(`${origin}`, 10),
      line(`${origin}@kept`, 11, copy, '1'),
      line(`${copy}`, 12),
      line(`${needed}`, 20),
      line(`${needed}@kept`, 21, 'tank/of-others', '1'),
      line(`${held}`, 30),
      line(`${held}@kept`, 31, '-', '2'),
      line(`${child}`, 40),
      line(`${child}/mine`, 41),
      line(`${strange}`, 50, '-', '-', '-'),
    ];
    const { driver } = await given(() => ({ stdout: `${listing.join('\n')}\n` }));
    assert.deepEqual(await driver.aside?.list(), [`${ids[1]}.0a`, `${ids[0]}.0a`]);
  });

  it('tells that the pool is suspended rather than wait for ever', async () => {
    const { driver } = await given(([verb, ...rest]) =>
      verb === 'list' && rest.includes('name,health')
        ? { stdout: 'tank\tSUSPENDED\n' }
        : (new Promise(() => undefined) as never),
    );
    await assert.rejects(driver.makeReadOnly(`${root}/data/${from}`), (error) =>
      isFailure(error, 'storage_suspended'),
    );
  });

  it('has the properties follow the tags, once for several changes', async () => {
    let go = (): void => undefined;
    const first = new Promise<void>((resolve) => (go = resolve));
    const { driver, commands } = await given(() => first.then(() => ({})) as never);
    const path = `${root}/data/${to}`;
    driver.tagged?.(path, tags);
    await new Promise((resolve) => setImmediate(resolve));
    driver.tagged?.(path, tagsOf(installation, to, 'filling'));
    driver.tagged?.(path, tagsOf(installation, to, 'ready'));
    go();
    await driver.close?.();
    assert.equal(commands.length, 2);
    assert.ok(commands[1]?.includes('thin-clones:state=ready'));
    assert.equal(commands[1]?.at(-1), `tank/thin/data/${to}`);
  });
});
