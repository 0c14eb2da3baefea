/** Another machine that a suite in the workbench reaches by the real ssh: its key is not accepted yet, and one's own key has a passphrase. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noSecondHost, startSecondHost, type SecondHost } from '../../hosts/machines/secondHost.ts';
import { shareArchives } from '../../support/sharedArchives.ts';
import type { Scratch } from '../../support/vscode/scratch.ts';

export interface FarMachine {
  readonly host: SecondHost;
  /** A dump there, of a database with a table `mark`. */
  readonly dump: string;
  /** Lets the engine of a home use a configuration of ssh that calls the machine `big`. */
  configure(scratch: Scratch): Promise<void>;
}

/** Call it inside `describe`, before `useWorkbench`; the function it answers gives the machine, or why there is none. */
export function useFarMachine(): () => FarMachine | string {
  const undo = new AsyncDisposableStack();
  let found: FarMachine | string = 'it is not started yet';
  before('start another machine', async function () {
    this.timeout(2 * 60_000);
    const reason = await noSecondHost();
    found = reason ?? (await start(undo));
  });
  after('end the other machine', () => undo.disposeAsync());
  return () => found;
}

async function start(undo: AsyncDisposableStack): Promise<FarMachine> {
  const folder = await mkdtemp(join(tmpdir(), 'tc-far-'));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const home = join(folder, 'home');
  await mkdir(home);
  for (const path of [folder, home]) await chmod(path, 0o755);
  const serverUser = process.getuid?.() === 0 ? { serverUser: 'ann' } : {};
  const settings = { storage: { driver: 'copy' }, ...serverUser };
  await writeFile(join(home, 'settings.json'), JSON.stringify(settings));
  const dump = join(folder, 'far.sql');
  await writeFile(dump, "CREATE TABLE mark (v text); INSERT INTO mark VALUES ('origin');");
  const host = await startSecondHost({
    accounts: [{ name: 'ann', shell: '/bin/sh' }],
    sshd: [`SetEnv THIN_CLONES_HOME=${home}`, 'Match User root', 'PermitRootLogin yes'],
  });
  undo.defer(() => host.close());
  return {
    host,
    dump,
    async configure(scratch) {
      const { file } = await host.clientConfig({ known: null, identity: host.lockedKey.file });
      await shareArchives(scratch.home);
      const ssh = { configFile: file };
      await writeFile(join(scratch.home, 'settings.json'), JSON.stringify({ ssh }));
    },
  };
}
