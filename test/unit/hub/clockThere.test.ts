import assert from 'node:assert/strict';
import * as z from 'zod';
import { createClockThere, timeFields } from '../../../engine/hub/clockThere.ts';
import { rewrites } from '../../../engine/hub/answers.ts';
import type { Transport, TransportRequest } from '../../../engine/protocol/client.ts';
import { eventSchema, overviewSchema } from '../../../engine/protocol/events.ts';
import { routes, type RouteName } from '../../../engine/protocol/routes.ts';
import { timeHeader } from '../../../engine/protocol/wire.ts';

const base = Date.parse('2026-11-20T03:00:00.000Z');
const hour = 3_600_000;
const request: TransportRequest = {
  method: 'GET',
  path: '/',
  headers: {},
  body: undefined,
  signal: undefined,
};

/** A host whose clock is ahead by so much; an answer is so long on its way there and back. */
function open() {
  const state = { here: base, aheadMs: 0, thereMs: 2, backMs: 2, silent: false };
  const transport: Transport = {
    async request() {
      state.here += state.thereMs;
      const there = String(state.here + state.aheadMs);
      state.here += state.backMs;
      return {
        status: 200,
        text: '{}',
        header: (name) => (name === timeHeader && !state.silent ? there : undefined),
      };
    },
    stream: () => assert.fail('nothing is streamed'),
  };
  const clock = createClockThere({ now: () => new Date(state.here) });
  const heard = clock.heardThrough(transport);
  return { state, clock, ask: () => heard.request(request) };
}
const at = (ms: number): string => new Date(ms).toISOString();

describe('the clock of another host', () => {
  for (const aheadMs of [hour, -hour, 40 * 24 * hour])
    it(`that is off by ${aheadMs / hour} hours changes no time that is told here`, async () => {
      const { state, clock, ask } = open();
      state.aheadMs = aheadMs;
      await ask();
      const told = {
        ...{ name: at(base), createdAt: at(base + aheadMs), resetAt: null, protectedUntil: 'forever' },
        tasks: [{ startedAt: at(base + aheadMs + 1000), since: 7 }],
      };
      assert.deepEqual(clock.here(told), {
        ...{ name: at(base), createdAt: at(base), resetAt: null, protectedUntil: 'forever' },
        tasks: [{ startedAt: at(base + 1000), since: 7 }],
      });
    });

  it('that is of the same time is left alone, however long answers take', async () => {
    const { state, clock, ask } = open();
    const told = { createdAt: at(base) };
    for (const [thereMs, backMs] of [
      [0, 60_000],
      [60_000, 0],
      [3, 1],
    ] as const) {
      Object.assign(state, { thereMs, backMs });
      await ask();
      assert.equal(clock.here(told), told);
    }
  });

  it('is known the better the faster an answer is, and stays the same while nothing speaks against it', async () => {
    const { state, clock, ask } = open();
    state.aheadMs = hour;
    const here = (): number => Date.parse(clock.here({ at: at(base + hour) }).at);
    Object.assign(state, { thereMs: 10, backMs: 20_000 });
    await ask();
    assert.ok(Math.abs(here() - base) <= 10_010);
    Object.assign(state, { thereMs: 10, backMs: 10 });
    await ask();
    const [first] = [here()];
    assert.ok(Math.abs(first - base) <= 10);
    for (const backMs of [5, 9, 2000]) {
      state.backMs = backMs;
      await ask();
      assert.equal(here(), first);
    }
  });

  it('is followed when it is set, or the clock here is', async () => {
    const { state, clock, ask } = open();
    await ask();
    state.aheadMs = -hour;
    await ask();
    assert.deepEqual(clock.here({ at: at(base - hour) }), { at: at(base) });
    state.here += 3 * hour;
    state.aheadMs -= 3 * hour;
    await ask();
    assert.deepEqual(clock.here({ at: at(base - 4 * hour) }), { at: at(base) });
    state.here -= 7 * hour;
    state.aheadMs = 0;
    await ask();
    assert.deepEqual(clock.here({ at: at(base) }), { at: at(base) });
  });

  it('of an engine that does not tell it is taken for this one', async () => {
    const { state, clock, ask } = open();
    Object.assign(state, { silent: true, aheadMs: hour });
    await ask();
    const told = { createdAt: at(base) };
    assert.equal(clock.here(told), told);
  });

  it('counts for every time of what hosts tell', () => {
    const missing = new Set<string>();
    const look = (schema: unknown, key: string): void => {
      if (typeof schema !== 'object' || schema === null) return;
      if ('format' in schema && schema.format === 'date-time' && !timeFields.has(key)) missing.add(key);
      if ('properties' in schema)
        for (const [name, each] of Object.entries(schema.properties as object)) look(each, name);
      for (const name of ['items', 'anyOf', 'oneOf', 'allOf'] as const)
        if (name in schema)
          for (const each of [(schema as Record<string, unknown>)[name]].flat()) look(each, key);
      if ('additionalProperties' in schema) look(schema.additionalProperties, key);
    };
    const told = (Object.keys(rewrites) as RouteName[]).map((name) => routes[name].response);
    for (const schema of [overviewSchema, eventSchema, ...told])
      look(z.toJSONSchema(schema, { unrepresentable: 'any', reused: 'inline', io: 'output' }), '');
    // A certificate is valid by everybody's clock.
    assert.deepEqual([...missing], ['validUntil']);
  });
});
