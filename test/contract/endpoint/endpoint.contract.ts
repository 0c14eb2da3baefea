/** What every endpoint keeps to, whatever carries it. */
import assert from 'node:assert/strict';
import type { Endpoint, Endpoints, EndpointTarget } from '../../../engine/endpoint/endpoint.ts';
import { cloneIdSchema } from '../../../engine/protocol/ids.ts';

export type CloneTarget = Extract<EndpointTarget, { kind: 'clone' }>;

/** A client as a test holds it, whatever it speaks. */
export interface ContractClient {
  /** The name of the clone that answers; rejects when the connection was refused or ended. */
  ask(): Promise<string>;
  /** Opens a transaction, and ends it; does nothing where the endpoint knows nothing of the protocol. */
  begin(): Promise<void>;
  commit(): Promise<void>;
  /** Resolves when the connection was ended, with what the client was told. */
  ended: Promise<string>;
  close(): Promise<void>;
}

export interface EndpointHarness {
  endpoints: Endpoints;
  /** Whether the protocol lets a client be told why. */
  tells: boolean;
  /** A clone with a server that answers with its name. */
  startClone(name: string): Promise<CloneTarget>;
  stopClone(target: CloneTarget): Promise<void>;
  /** A client that has connected and said what it wants; it may have to wait for an answer. */
  connect(port: number): Promise<ContractClient>;
  /** Makes another program hold a port. */
  takePort(): Promise<number>;
  /** The longest wait for a clone passes. */
  passWait(): Promise<void>;
  /** The time passes that connections have for their transactions; `drainMs` is that time. */
  drainMs: number;
  passDrain(): Promise<void>;
  /** Resolves when so many connections lead or wait. */
  untilConnections(endpoint: Endpoint, count: number): Promise<void>;
  close(): Promise<void>;
}

export const cloneId = (letter: string) => cloneIdSchema.parse(`clone-${letter.repeat(16)}`);
export const waiting: EndpointTarget = { kind: 'waiting', reason: 'Clone feature/a is being made.' };
export const none: EndpointTarget = {
  kind: 'none',
  reason: 'No branch is checked out.',
  next: 'Check one out.',
};

export function endpointContract(name: string, open: () => Promise<EndpointHarness>): void {
  describe(`the endpoint port: ${name}`, () => {
    let harness: EndpointHarness;
    let main: CloneTarget;
    let feature: CloneTarget;
    let endpoint: Endpoint;
    before(async () => {
      harness = await open();
      main = await harness.startClone('main');
      feature = await harness.startClone('feature/a');
    });
    after(() => harness.close());
    const openAt = (target: EndpointTarget, port = 0): Promise<Endpoint> =>
      harness.endpoints.open({ port, engine: 'postgres', title: 'orders of /work/shop', target });
    beforeEach(async () => {
      endpoint = await openAt(main);
    });
    afterEach(() => endpoint.close());
    const connect = (): Promise<ContractClient> => harness.connect(endpoint.port);
    const saysWhere = (text: string, expected: string): void => {
      if (harness.tells) assert.ok(text.includes(expected), `it says "${text}"`);
    };

    it('leads a connection to the clone that it was opened for', async () => {
      const client = await connect();
      assert.equal(await client.ask(), 'main');
      assert.deepEqual(endpoint.target(), main);
      await client.close();
    });

    it('leads new connections to the clone it was led to last', async () => {
      endpoint.lead(feature, 'Switched to feature/a.');
      const client = await connect();
      assert.equal(await client.ask(), 'feature/a');
      assert.deepEqual(endpoint.target(), feature);
      await client.close();
    });

    it('ends the connections of the clone before, with the notice, and no query of theirs is answered any more', async () => {
      const client = await connect();
      assert.equal(await client.ask(), 'main');
      endpoint.lead(feature, 'Switched to feature/a.');
      await assert.rejects(client.ask());
      saysWhere(await client.ended, 'Switched to feature/a.');
      await harness.untilConnections(endpoint, 0);
    });

    it('keeps connections when it is led to where it leads already', async () => {
      const client = await connect();
      await client.ask();
      endpoint.lead({ ...main, name: 'renamed' }, 'This is told to nobody.');
      assert.equal(await client.ask(), 'main');
      assert.equal(endpoint.connections(), 1);
      await client.close();
    });

    it('ends connections of another clone at the same port', async () => {
      const client = await connect();
      await client.ask();
      endpoint.lead({ ...main, clone: feature.clone }, 'Another clone has this port now.');
      await assert.rejects(client.ask());
      saysWhere(await client.ended, 'Another clone has this port now.');
    });

    describe('that may let transactions end', () => {
      const long = 3_600_000;

      it('goes on with a connection in one until that has ended, while new ones reach the next clone', async () => {
        const client = await connect();
        await client.begin();
        await client.ask();
        endpoint.lead(feature, 'Switched to feature/a.', long);
        const next = await connect();
        assert.equal(await next.ask(), 'feature/a');
        if (harness.tells) {
          assert.equal(await client.ask(), 'main');
          await client.commit();
        }
        saysWhere(await client.ended, 'Switched to feature/a.');
        await assert.rejects(client.ask());
        assert.equal(await next.ask(), 'feature/a');
        await next.close();
      });

      it('ends those without one at once', async () => {
        const client = await connect();
        await client.begin();
        await client.ask();
        await client.commit();
        endpoint.lead(feature, 'Switched to feature/a.', long);
        await assert.rejects(client.ask());
        saysWhere(await client.ended, 'Switched to feature/a.');
      });

      it('ends it when its time is over, which another switch does not begin anew', async () => {
        const client = await connect();
        await client.begin();
        await client.ask();
        endpoint.lead(waiting, 'Switching to feature/a.', harness.drainMs);
        endpoint.lead(feature, 'Switched to feature/a.', long);
        await harness.passDrain();
        saysWhere(await client.ended, 'Switching to feature/a.');
        await harness.untilConnections(endpoint, 0);
      });

      it('keeps it when it is led back meanwhile, and then without a bound', async () => {
        if (!harness.tells) return;
        const client = await connect();
        await client.begin();
        await client.ask();
        endpoint.lead(feature, 'Switched to feature/a.', long);
        endpoint.lead(main, 'Switched to main.');
        assert.equal(await client.ask(), 'main');
        await client.commit();
        assert.equal(await client.ask(), 'main');
        await client.close();
      });

      it('ends it all the same when it closes', async () => {
        const client = await connect();
        await client.begin();
        await client.ask();
        endpoint.lead(feature, 'Switched to feature/a.', long);
        await endpoint.close('The engine stops.');
        saysWhere(await client.ended, harness.tells ? 'The engine stops.' : '');
      });
    });

    it('refuses new connections with the reason while it leads nowhere, and ends those there are', async () => {
      const before = await connect();
      await before.ask();
      endpoint.lead(none, 'The branch is gone.');
      saysWhere(await before.ended, 'The branch is gone.');
      const client = await connect();
      await assert.rejects(client.ask());
      const told = await client.ended;
      saysWhere(told, 'No branch is checked out.');
      saysWhere(told, 'Check one out.');
      assert.equal(endpoint.connections(), 0);
    });

    it('holds new connections while a clone is on its way, and then leads them to it', async () => {
      endpoint.lead(waiting, 'Switching to feature/a.');
      const clients = await Promise.all([connect(), connect(), connect()]);
      const answers = clients.map((client) => client.ask());
      await harness.untilConnections(endpoint, 3);
      endpoint.lead(feature, 'Switched to feature/a.');
      assert.deepEqual(await Promise.all(answers), ['feature/a', 'feature/a', 'feature/a']);
      await Promise.all(clients.map((client) => client.close()));
      await harness.untilConnections(endpoint, 0);
    });

    it('refuses held connections when it is led nowhere', async () => {
      endpoint.lead(waiting, 'Switching to feature/a.');
      const client = await connect();
      await harness.untilConnections(endpoint, 1);
      endpoint.lead(none, 'The clone could not be made.');
      saysWhere(await client.ended, 'No branch is checked out.');
      await harness.untilConnections(endpoint, 0);
    });

    it('refuses a held connection with the reason when it has waited long enough', async () => {
      endpoint.lead(waiting, 'Switching to feature/a.');
      const client = await connect();
      await harness.untilConnections(endpoint, 1);
      await harness.passWait();
      saysWhere(await client.ended, 'Clone feature/a is being made.');
    });

    it('refuses a connection readably when the server of the clone does not answer', async () => {
      const gone = await harness.startClone('gone');
      await harness.stopClone(gone);
      endpoint.lead(gone, 'Switched to gone.');
      const client = await connect();
      await assert.rejects(client.ask());
      saysWhere(await client.ended, 'gone');
      await harness.untilConnections(endpoint, 0);
    });

    it('no longer counts a connection that its client closed', async () => {
      const client = await connect();
      await client.ask();
      assert.equal(endpoint.connections(), 1);
      await client.close();
      await harness.untilConnections(endpoint, 0);
    });

    it('listens at the wanted port, which a second endpoint then does not get', async () => {
      const { port } = endpoint;
      await assert.rejects(openAt(main, port), { code: 'port_taken' });
      await endpoint.close();
      const again = await openAt(feature, port);
      assert.equal(again.port, port);
      const client = await harness.connect(port);
      assert.equal(await client.ask(), 'feature/a');
      await client.close();
      await again.close();
    });

    it('does not take the port of another program', async () => {
      await assert.rejects(openAt(main, await harness.takePort()), { code: 'port_taken' });
    });

    it('ends every connection when it closes, and closes twice without an error', async () => {
      const client = await connect();
      await client.ask();
      endpoint.lead(waiting, 'Switching.');
      const held = await connect();
      await harness.untilConnections(endpoint, 1);
      const started = performance.now();
      await Promise.all([endpoint.close('The engine stops.'), endpoint.close()]);
      // Nobody who is connected or held is waited for; the bound is for a slow machine.
      assert.ok(performance.now() - started < 20_000);
      saysWhere(await held.ended, 'The engine stops.');
      assert.equal(endpoint.connections(), 0);
    });
  });
}
