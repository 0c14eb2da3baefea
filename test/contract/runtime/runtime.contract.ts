/** What every runtime keeps to, whatever keeps the servers running. */
import assert from 'node:assert/strict';
import type { RunningServer, Runtime, ServerSpec } from '../../../engine/runtime/runtime.ts';

export interface RuntimeHarness {
  runtime: Runtime;
  /** A runtime over the same machine that remembers nothing, as after an engine's restart. */
  restarted(): Runtime;
  /** A startable server with data of its own. */
  newSpec(identity: string): Promise<ServerSpec>;
  /** Resolves when the server answers. */
  untilUp(spec: ServerSpec, server: RunningServer): Promise<void>;
  /** The server ends by a crash, all of it. */
  crash(server: RunningServer): Promise<void>;
  /** A spec whose server ends right after its start, saying why in its log. */
  brokenSpec(identity: string): Promise<ServerSpec>;
  close(): Promise<void>;
}

export function runtimeContract(name: string, open: () => Promise<RuntimeHarness>): void {
  describe(`the runtime port: ${name}`, () => {
    let harness: RuntimeHarness;
    let runtime: Runtime;
    before(async () => {
      harness = await open();
      runtime = harness.runtime;
    });
    after(() => harness.close());

    const started = async (identity: string): Promise<{ spec: ServerSpec; server: RunningServer }> => {
      const spec = await harness.newSpec(identity);
      const server = await runtime.start(spec);
      await harness.untilUp(spec, server);
      return { spec, server };
    };

    it('starts a server that is alive and carries its identity', async () => {
      const { server } = await started('data-aaaaaaaaaaaaaaaa');
      assert.equal(server.identity, 'data-aaaaaaaaaaaaaaaa');
      assert.equal(await runtime.alive(server), true);
      await runtime.stop(server, 'immediate');
    });

    it('finds a server again after an engine restart', async () => {
      const { spec, server } = await started('data-bbbbbbbbbbbbbbbb');
      assert.deepEqual(await harness.restarted().find(spec), server);
      await runtime.stop(server, 'immediate');
    });

    it('finds nothing for another identity on the same data directory', async () => {
      const { spec, server } = await started('data-cccccccccccccccc');
      assert.equal(await runtime.find({ ...spec, identity: 'data-dddddddddddddddd' }), undefined);
      await runtime.stop(server, 'immediate');
    });

    it('finds nothing for the same identity on another data directory', async () => {
      const { spec, server } = await started('data-eeeeeeeeeeeeeeee');
      assert.equal(await runtime.find({ ...spec, dataDirectory: `${spec.dataDirectory}-other` }), undefined);
      await runtime.stop(server, 'immediate');
    });

    it('starts one server when it is asked twice', async () => {
      const { spec, server } = await started('data-ffffffffffffffff');
      assert.deepEqual(await runtime.start(spec), server);
      await runtime.stop(server, 'immediate');
    });

    for (const mode of ['clean', 'immediate'] as const) {
      it(`stops a server (${mode}) so that nothing is found, and again without an error`, async () => {
        const { spec, server } = await started(`data-gggggggggggggg${mode === 'clean' ? 'aa' : 'bb'}`);
        await runtime.stop(server, mode);
        assert.equal(await runtime.alive(server), false);
        assert.equal(await runtime.find(spec), undefined);
        await runtime.stop(server, mode);
      });
    }

    it('starts a server again after a crash', async () => {
      const { spec, server } = await started('data-hhhhhhhhhhhhhhhh');
      await harness.crash(server);
      assert.equal(await runtime.alive(server), false);
      assert.equal(await runtime.find(spec), undefined);
      const again = await runtime.start(spec);
      await harness.untilUp(spec, again);
      assert.notEqual(again.startedAt, server.startedAt);
      await runtime.stop(again, 'immediate');
    });

    it('does not touch another server that has the same pid', async () => {
      const { server } = await started('data-iiiiiiiiiiiiiiii');
      await runtime.stop({ ...server, startedAt: 'another time' }, 'immediate');
      assert.equal(await runtime.alive(server), true);
      await runtime.stop(server, 'immediate');
    });

    it('keeps what a server that ended at once had to say', async () => {
      const spec = await harness.brokenSpec('data-jjjjjjjjjjjjjjjj');
      const server = await runtime.start(spec);
      while (await runtime.alive(server)) await new Promise((resolve) => setImmediate(resolve));
      const lines = await runtime.logTail(spec, 3);
      assert.ok(lines.length > 0 && lines.length <= 3, `the log says ${lines.join(' | ')}`);
    });

    it('starts nothing when it was aborted before', async () => {
      const spec = await harness.newSpec('data-kkkkkkkkkkkkkkkk');
      await assert.rejects(runtime.start(spec, AbortSignal.abort()), { name: 'AbortError' });
      assert.equal(await runtime.find(spec), undefined);
    });
  });
}
