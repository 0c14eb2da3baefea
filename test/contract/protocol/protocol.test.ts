/** Versions of one protocol understand each other: today's against what was recorded of earlier ones, both ways. */
import assert from 'node:assert/strict';
import { understandAnswer, understandEvent, understandFailure } from '../../../engine/protocol/answers.ts';
import { conform, mismatch, type Schema } from '../../../engine/protocol/compact/conform.ts';
import { hostSchema, jobSchema } from '../../../engine/protocol/entities.ts';
import { routes } from '../../../engine/protocol/routes.ts';
import { protocolVersion } from '../../../engine/protocol/wire.ts';
import { openWorld } from '../../faults/world.ts';
import { unbearable, type Whole } from './bears.ts';
import { contractOfToday, type Side } from './contractOfToday.ts';
import { converse, type Conversation, type Said } from './conversation.ts';
import { readRecordings } from './recordings.ts';

type Group = 'requests' | 'answers' | 'events';

/** What `writer` has and `reader` can't understand; of what `reader` does not know at all it never hears. */
function misread(writer: Side, reader: Side, group: Group): string[] {
  const whole = (side: Side, schema: Schema): Whole => ({ schema, definitions: side.$defs });
  return Object.entries(writer[group]).flatMap(([name, schema]) => {
    const read = reader[group][name];
    return read === undefined ? [] : unbearable(whole(writer, schema), whole(reader, read), name);
  });
}

const missing = (earlier: Side, now: Side, group: Group): string[] =>
  Object.keys(earlier[group]).filter((name) => now[group][name] === undefined);

/** Whoever reads by a side's schemas finds something in what was said. */
function strange({ said, events }: Conversation, side: Side): string[] {
  const fits = (schema: Schema | undefined, document: unknown): boolean =>
    schema === undefined || conform(schema, document, side.$defs) !== mismatch;
  return [
    ...said
      .filter(({ route, status, answer }) => !fits(status < 400 ? side.answers[route] : side.failure, answer))
      .map(({ route, answer }) => `${route}: ${JSON.stringify(answer)}`),
    ...events
      .filter((event) => !fits(side.events[event.kind], event))
      .map((event) => `${event.kind}: ${JSON.stringify(event)}`),
  ];
}

const isTaken = ({ route, request }: Said): boolean =>
  (['params', 'query', 'body'] as const).every(
    (part) => routes[route][part].safeParse(request[part]).success,
  );

describe(`protocol ${protocolVersion}`, function () {
  this.timeout(60_000);
  const today = contractOfToday();
  const recordings = readRecordings().filter(({ protocol }) => protocol === protocolVersion);

  it('was recorded', () => assert.notDeepEqual(recordings, []));

  for (const { version, contract, said, events } of recordings) {
    it(`is understood by clients of version ${version}: they know every answer and event that they hear of`, () => {
      assert.deepEqual(misread(today.writes, contract.reads, 'answers'), []);
      assert.deepEqual(misread(today.writes, contract.reads, 'events'), []);
      assert.deepEqual(missing(contract.reads, today.writes, 'answers'), []);
      assert.deepEqual(missing(contract.reads, today.writes, 'events'), []);
    });

    it(`takes what clients of version ${version} ask`, () => {
      assert.deepEqual(misread(contract.reads, today.reads, 'requests'), []);
      assert.deepEqual(
        said.filter((each) => !isTaken(each)).map(({ route }) => route),
        [],
      );
    });

    it(`understands engines of version ${version}`, async () => {
      assert.deepEqual(misread(contract.writes, today.reads, 'answers'), []);
      assert.deepEqual(misread(contract.writes, today.reads, 'events'), []);
      for (const { route, status, answer } of said) {
        const understood = await (status < 400 ? understandAnswer(route, answer) : understandFailure(answer));
        assert.ok(understood.ok, `${route}: ${understood.ok ? '' : understood.problem}`);
      }
      for (const event of events) assert.ok((await understandEvent(event)).ok, JSON.stringify(event));
    });
  }

  it('is what a running engine speaks', async () => {
    const world = await openWorld();
    try {
      const conversation = await converse(world);
      for (const { version, contract } of recordings)
        assert.deepEqual(strange(conversation, contract.reads), [], version);
    } finally {
      await world.dispose();
    }
  });

  it('has values that may become more where an older client bears them', async () => {
    const host = { name: 'big', state: 'ready', problem: null };
    const storage = { label: 'l', thin: true, path: '/', totalBytes: 1, freeBytes: 1 };
    const read = hostSchema.parse({ ...host, kind: 'k', storage: { ...storage, driver: 'd' } });
    assert.deepEqual([read.kind, read.storage?.driver], ['other', 'other']);
    const job = recordings[0]?.said.find(({ route }) => route === 'jobShow')?.answer;
    assert.equal(jobSchema.parse({ ...(job as object), type: 'clone.paint' }).type, 'other');
  });
});

describe('what an older reader does not bear', () => {
  const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
    type: 'object',
    properties,
    required: Object.keys(properties),
    ...more,
  });
  const text: Schema = { type: 'string' };
  const cases: [string, Schema, Schema, boolean][] = [
    ['the same', object({ a: text }), object({ a: text }), true],
    ['a field more', object({ a: text, b: text }), object({ a: text }), true],
    [
      'a field more where nothing unknown is taken',
      object({ a: text, b: text }),
      object({ a: text }, { additionalProperties: false }),
      false,
    ],
    ['a field less', object({}), object({ a: text }), false],
    ['a field that may be left out', object({ a: text }, { required: [] }), object({ a: text }), false],
    ['a field that may always have been left out', object({}), object({ a: text }, { required: [] }), true],
    ['null, where it was a text', { anyOf: [text, { type: 'null' }] }, text, false],
    ['never null any more', text, { anyOf: [text, { type: 'null' }] }, true],
    ['a number, where it was a text', { type: 'number' }, text, false],
    ['a whole number, where it was any', { type: 'integer' }, { type: 'number' }, true],
    ['a value more', { type: 'string', enum: ['a', 'b'] }, { type: 'string', enum: ['a'] }, false],
    ['a value less', { type: 'string', enum: ['a'] }, { type: 'string', enum: ['a', 'b'] }, true],
    ['any text, where some were known', text, { type: 'string', enum: ['a'] }, false],
    ['another pattern', { type: 'string', pattern: '^b' }, { type: 'string', pattern: '^a' }, false],
    ['a longer text', { type: 'string', maxLength: 9 }, { type: 'string', maxLength: 8 }, false],
    ['a lower number', { type: 'number', minimum: -1 }, { type: 'number', minimum: 0 }, false],
    ['other items', { type: 'array', items: text }, { type: 'array', items: { type: 'null' } }, false],
    [
      'other values of any name',
      object({}, { additionalProperties: text }),
      object({}, { additionalProperties: { type: 'null' } }),
      false,
    ],
    [
      'a kind that nobody knew',
      { anyOf: [text, { type: 'array' }] },
      { anyOf: [text, { type: 'null' }] },
      false,
    ],
    ['anything, where everything was taken', text, {}, true],
  ];
  for (const [what, writer, reader, isBorne] of cases)
    it(`${isBorne ? 'is not' : 'is'} ${what}`, () => {
      const found = unbearable({ schema: writer, definitions: {} }, { schema: reader, definitions: {} });
      assert.equal(found.length === 0, isBorne, found.join('; '));
    });
});
