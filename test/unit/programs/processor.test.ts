import assert from 'node:assert/strict';
import { unfitExtensions } from '../../../engine/database/postgres/programs/processor.ts';
import type { Machine } from '../../../engine/machine/machine.ts';
import { testHost } from '../../support/postgresSource.ts';

describe('Extensions for newer processors', () => {
  const extensions = [
    { name: 'vector', version: '0.8.5', processor: ['avx2', 'fma'] },
    { name: 'other', version: '1.0', processor: [] },
  ];
  const on = async (platform: NodeJS.Platform, said: string) => {
    const machine = await testHost();
    const described: Machine = {
      ...machine,
      platform,
      files: { ...machine.files, read: async (file) => (file === '/proc/cpuinfo' ? said : undefined) },
      run: async (command) => command.parse({ code: 1, signal: null, stdout: said, stderr: '' }),
    };
    return [...(await unfitExtensions(described, { extensions }))];
  };

  it('are told with what the processor lacks, by the words of Linux and of macOS', async () => {
    assert.deepEqual(await on('linux', 'processor: 0\nflags\t\t: fpu sse2 avx2 fma\n'), []);
    assert.deepEqual(await on('linux', 'flags\t\t: fpu avx fma\n'), [['vector', ['avx2']]]);
    assert.deepEqual(await on('linux', 'Features\t: fp asimd\n'), [['vector', ['avx2', 'fma']]]);
    assert.deepEqual(await on('darwin', 'FPU SSE4.2 FMA\nBMI1 AVX2\n'), []);
    assert.deepEqual(await on('darwin', 'FPU SSE4.2\n'), [['vector', ['avx2', 'fma']]]);
  });

  it('are not asked about where none travels, and what this machine says can be read', async () => {
    const machine = await testHost();
    assert.deepEqual([...(await unfitExtensions(machine, {}))], []);
    const asked = [{ name: 'x', version: '1', processor: ['no-such-thing'] }];
    assert.deepEqual(
      [...(await unfitExtensions(machine, { extensions: asked }))],
      [['x', ['no-such-thing']]],
    );
    const common = process.arch === 'x64' ? 'sse2' : 'asimd';
    if (process.platform === 'linux')
      assert.deepEqual(
        [
          ...(await unfitExtensions(machine, {
            extensions: [{ name: 'x', version: '1', processor: [common] }],
          })),
        ],
        [],
      );
  });
});
