import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { Conversation } from '../../../engine/link/conversation.ts';
import { createDeployment, type EngineArchive } from '../../../engine/link/deploy/deploy.ts';
import type { FarWorkOptions } from '../../../engine/link/ssh/sshLink.ts';

describe('the engine that is brought', () => {
  it('is looked for while the host is not waited for', async () => {
    const said = [
      ...['system Linux', 'processor x86_64', 'libc glibc 2.36', 'uid 1000', 'clock 0', 'home /home/ann'],
      ...[
        'free 100000000',
        'folder good',
        'missing',
        'ready',
        'have 0',
        'received',
        'done',
        'done',
        'started',
      ],
    ];
    const told: string[] = [];
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<true>();
    const far: Conversation = {
      async line() {
        // Not before the archive is there.
        if (said[0] === 'received') await arrived;
        return said.shift();
      },
      async write(data) {
        told.push(String(data));
        if (String(data) === 'all') arrive(true);
      },
      release: () => undefined,
    };
    const moments: string[] = [];
    const options: FarWorkOptions = {
      host: 'box',
      onProgress: (text) => moments.push(text),
      meanwhile: async (work) => {
        moments.push('meanwhile');
        const made = await work;
        moments.push('made');
        return made;
      },
    };
    const archive: EngineArchive = {
      bytes: 3,
      sha256: 'abc',
      unpackedBytes: 3,
      read: () => Readable.from([Buffer.from('all')]),
    };
    const deployment = createDeployment({
      ...{ version: '1.0.0', build: 'b', now: () => 0 },
      archive: async (platform, onProgress) => {
        onProgress(`fetching for ${platform}`);
        return archive;
      },
    });
    await deployment.converse(far, options);
    assert.deepEqual(moments.slice(0, 4), [
      ...['Looking for the engine for it', 'fetching for linux-x64', 'meanwhile', 'made'],
    ]);
    assert.deepEqual(told, ['put 1.0.0_b 3 abc\n', 'all', 'newest 1.0.0_b\nstart 1.0.0_b\n']);
  });
});
