import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { configuredNames } from '../../../../engine/link/ssh/configuredNames.ts';

describe('the hosts that an ssh configuration names', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'tc-names-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  const write = async (files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(home, path)), { recursive: true });
      await writeFile(join(home, path), text);
    }
  };
  const names = async (): Promise<string[]> => (await configuredNames({ home })).map(({ name }) => name);

  it('are none where there is no configuration', async () => {
    assert.deepEqual(await names(), []);
  });

  it('come in their order with where they lead, without patterns, and what stands first counts', async () => {
    await write({
      '.ssh/config': [
        '\uFEFF# mine',
        'Host big  store.example # both',
        '  HostName=10.0.0.7',
        '  User = me',
        'HOST *.lab !old.lab qa?',
        '  HostName pattern',
        'host "quoted"',
        '\tport 2222',
        '\tPort 22',
        'Host big\r',
        '  HostName 10.9.9.9\r',
        '  Port 2200\r',
        'Match host big',
        '  User nobody',
        'Host *',
        '  User all',
      ].join('\n'),
    });
    assert.deepEqual(await configuredNames({ home }), [
      { name: 'big', hostName: '10.0.0.7', user: 'me', port: 2200 },
      { name: 'store.example', hostName: '10.0.0.7', user: 'me', port: null },
      { name: 'quoted', hostName: null, user: null, port: 2222 },
    ]);
  });

  it('come from included files too, by their place in ~/.ssh, in the home, or anywhere', async () => {
    await write({
      '.ssh/config': `Include conf.d/* "~/my hosts" ${home}/elsewhere\nInclude config\nHost last\n`,
      '.ssh/conf.d/b': 'Host b\n',
      '.ssh/conf.d/a': 'Host a\nInclude ~/.ssh/config\n',
      'my hosts': 'Host mine\n',
      elsewhere: 'Host there\n',
    });
    assert.deepEqual(await names(), ['a', 'b', 'mine', 'there', 'last']);
  });

  it('leave out what is no address, so that nothing chosen can be an option of ssh', async () => {
    await write({
      '.ssh/config':
        'Host -oProxyCommand=touch "with space" a;b $(x) ünï ok\nHost "never closed\nHost\nnonsense\n  HostName x\nHost after\n',
    });
    assert.deepEqual(await names(), ['ok', 'after']);
  });

  it('wait for nothing and read no more than a configuration has: pipes, folders, endless files and links in circles', async function () {
    if (process.platform === 'win32') this.skip();
    await write({
      '.ssh/config': 'Include pipe folder/ zero circle/*\nHost ok\n',
      '.ssh/circle/file': 'Host in\n',
    });
    await promisify(execFile)('mkfifo', [join(home, '.ssh/pipe')]);
    await mkdir(join(home, '.ssh/folder'));
    await symlink('/dev/zero', join(home, '.ssh/zero'));
    await symlink('.', join(home, '.ssh/circle/loop'));
    assert.deepEqual(await names(), ['in', 'ok']);
  });

  it('come from another configuration where one is set', async () => {
    await write({ '.ssh/config': 'Host mine\n', other: 'Host other\n' });
    const configFile = join(home, 'other');
    assert.deepEqual(
      (await configuredNames({ home, configFile })).map(({ name }) => name),
      ['other'],
    );
  });
});
