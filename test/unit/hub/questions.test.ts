import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { OpenOptions, Question } from '../../../engine/link/link.ts';
import { createQuestions } from '../../../engine/hub/questions.ts';
import { createClient, type Client } from '../../../engine/protocol/client.ts';
import type { DoctorCheck, Host, HostQuestion } from '../../../engine/protocol/entities.ts';
import { fail, isFailure, type ErrorCode, type ThinClonesError } from '../../../engine/protocol/errors.ts';
import type { Event } from '../../../engine/protocol/events.ts';
import { openMemoryApp, token, type MemoryApp } from '../http/memoryApp.ts';
import { openFarHost, type FarHost } from './farHost.ts';

const code =
  (wanted: ErrorCode) =>
  (error: unknown): boolean =>
    isFailure(error, wanted);

const secret = 'correct horse';
const password: Question = { kind: 'password', text: "me@big's password:" };
const key: Question = { kind: 'host-key', text: 'Are you sure?', fingerprint: 'SHA256:abc' };

describe('what the login to a host asks', () => {
  let big: FarHost;
  let near: MemoryApp;
  let client: Client;
  let events: Event[];
  let listening: Promise<void>;

  beforeEach(async () => {
    big = await openFarHost('big', 2);
    big.login = asksFor(password, secret);
    near = await openMemoryApp({ links: { big: big.link } });
    client = createClient({ transport: near.transport, user: 'tester', token });
    events = [];
    const overview = await client.call('overview', {});
    listening = (async () => {
      for await (const event of client.events(overview)) events.push(event);
    })();
  });
  afterEach(async () => {
    near.end();
    await listening;
    await (await near.hub).close();
    await near.engine.close();
    await big.close();
  });

  /** As a host that lets nobody in without the answer. */
  const asksFor =
    (question: Question, answer: string) =>
    async ({ ask, signal }: OpenOptions): Promise<void> => {
      for (let left = 3; ask !== undefined && left > 0; left--)
        if ((await ask(question, signal)) === answer) return;
      throw fail('host_login', { host: 'big', address: 'ssh://big', problem: 'it takes password' });
    };
  const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const host = (): Promise<Host> => client.call('hostShow', { params: { host: 'big' } });
  const asked = async (kind: HostQuestion['kind'] = 'password'): Promise<HostQuestion> => {
    let question: HostQuestion | null = null;
    await until(async () => (question = (await host()).question)?.kind === kind);
    assert.ok(question);
    return question;
  };
  const reconnect = (questions: boolean, signal?: AbortSignal): Promise<Host> =>
    client.call('hostReconnect', { params: { host: 'big' }, body: { questions } }, { signal });
  const answer = (question: string, reply: string | null): Promise<Host> =>
    client.call('hostAnswer', { params: { host: 'big' }, body: { question, reply } });

  it('is told by events, and the first answer of any client is taken, which is kept nowhere', async () => {
    const connecting = reconnect(true);
    const question = await asked();
    assert.equal((await host()).state, 'connecting');
    assert.deepEqual(
      [question.text, question.masked, question.fingerprint],
      ["me@big's password:", true, null],
    );
    assert.ok(Date.parse(question.until) > Date.parse(question.since));
    const answers = await Promise.allSettled([answer(question.id, secret), answer(question.id, 'late')]);
    assert.equal(answers[0].status, 'fulfilled');
    assert.ok(answers[1].status === 'rejected' && isFailure(answers[1].reason, 'host_question_over'));
    const connected = await connecting;
    assert.deepEqual([connected.state, connected.question, connected.problem], ['ready', null, null]);
    await until(() => events.some(({ kind }) => kind === 'resync'));
    assert.ok(events.some((event) => event.kind === 'host' && event.entity.question?.id === question.id));
    const { items: log } = await client.call('hostLog', { params: { host: 'big' } });
    assert.ok(log.some(({ text }) => text.includes("me@big's password")));
    for (const kept of [events, near.log, log, await host(), await client.call('overview', {})])
      assert.ok(!JSON.stringify(kept).includes(secret));
  });

  it('is asked again after a wrong answer, and the host needs a login after three', async () => {
    const connecting = reconnect(true);
    const refused = assert.rejects(connecting, code('host_login'));
    for (let last = '', times = 0; times < 3; times++) {
      await until(async () => ((await host()).question?.id ?? last) !== last);
      last = (await asked()).id;
      await answer(last, 'wrong');
    }
    await refused;
    const { state, problem, next } = await host();
    assert.deepEqual([state, problem?.includes('password')], ['needs-login', true]);
    assert.match(next ?? '', /ssh:\/\/big/);
  });

  it('is not asked in the background, nor of who can not answer: the host says that it needs a login', async () => {
    await until(async () => (await host()).state === 'needs-login');
    await assert.rejects(reconnect(false), code('host_login'));
    assert.ok(events.every((event) => event.kind !== 'host' || event.entity.question === null));
  });

  it('is given up by the one who is asked, and by leaving', async () => {
    const first = reconnect(true);
    const given = assert.rejects(first, code('host_unanswered'));
    await answer((await asked()).id, null);
    await given;
    assert.deepEqual([(await host()).state, (await host()).question], ['needs-login', null]);

    const leaving = new AbortController();
    const hub = await near.hub;
    const left = assert.rejects(
      hub.reconnect('big', { questions: true, signal: leaving.signal }),
      code('canceled'),
    );
    const { id } = await asked();
    leaving.abort();
    await left;
    await until(async () => (await host()).question === null);
    await assert.rejects(answer(id, secret), code('host_question_over'));
  });

  it('is asked once of several who want the host, and goes on while one of them is there', async () => {
    const leaving = new AbortController();
    const hub = await near.hub;
    const one = assert.rejects(
      hub.reconnect('big', { questions: true, signal: leaving.signal }),
      code('canceled'),
    );
    const { id } = await asked();
    const other = hub.reconnect('big', { questions: true, signal: new AbortController().signal });
    leaving.abort();
    await one;
    assert.equal((await asked()).id, id);
    await answer(id, secret);
    assert.equal((await other).state, 'ready');
  });

  it('takes the place of an attempt that hangs before it can ask', async () => {
    await until(async () => (await host()).state === 'needs-login');
    let hung = 0;
    big.login = async (opening) => {
      if (opening.ask !== undefined) return asksFor(password, secret)(opening);
      hung += 1;
      await once(opening.signal, 'abort');
    };
    const waiting = client.call('hostReconnect', { params: { host: 'big' }, body: {} });
    await until(() => hung === 1);
    const connecting = reconnect(true);
    await answer((await asked()).id, secret);
    assert.equal((await connecting).state, 'ready');
    assert.equal((await waiting).state, 'ready');
  });

  it('shows a host key by its fingerprint, and takes a no as one', async () => {
    big.login = async ({ ask, signal }) => {
      if ((await ask?.(key, signal)) !== 'yes')
        throw fail('host_key_unknown', { host: 'big', address: 'ssh://big', fingerprint: 'SHA256:abc' });
    };
    const refused = assert.rejects(reconnect(true), code('host_key_unknown'));
    const question = await asked('host-key');
    assert.deepEqual([question.fingerprint, question.masked], ['SHA256:abc', false]);
    await answer(question.id, null);
    await refused;
    assert.equal((await host()).state, 'needs-login');
    const connecting = reconnect(true);
    await answer((await asked('host-key')).id, 'yes');
    assert.equal((await connecting).state, 'ready');
  });

  it('is asked while a host is added, which is forgotten when nobody answers', async () => {
    await client.call('hostRemove', { params: { host: 'big' } });
    const add = () =>
      client.call('hostAdd', { body: { name: 'big', address: 'ssh://big', questions: true } });
    const refused = assert.rejects(add(), code('host_unanswered'));
    await until(async () => (await client.call('hostList', {})).items.length === 2);
    await answer((await asked()).id, null);
    await refused;
    assert.equal((await client.call('hostList', {})).items.length, 1);
    const adding = add();
    await until(async () => (await client.call('hostList', {})).items.length === 2);
    await answer((await asked()).id, secret);
    assert.equal((await adding).state, 'ready');
  });

  it('of a host that lies about itself is not shown', async () => {
    const connecting = reconnect(true);
    await answer((await asked()).id, secret);
    await connecting;
    const { context } = big.memory.engine.life();
    const [entity] = (await client.call('hostList', {})).items;
    assert.ok(entity);
    const question = { ...password, id: 'x', fingerprint: null, masked: true, since: at, until: at };
    context.feed.publish({
      kind: 'host',
      entity: { ...entity, state: 'needs-login', question, problem: 'type it again' },
    });
    await until(async () => (await host()).problem === 'type it again');
    assert.deepEqual([(await host()).state, (await host()).question], ['unusable', null]);
    assert.ok(events.every((event) => event.kind !== 'host' || event.entity.question?.id !== 'x'));
  });
  const at = '2026-11-20T03:00:00.000Z';
});

describe('what is found on the way to a host', () => {
  let big: FarHost;
  let near: MemoryApp;
  let client: Client;
  beforeEach(async () => {
    big = await openFarHost('big', 2);
    near = await openMemoryApp({ links: { big: big.link } });
    client = createClient({ transport: near.transport, user: 'tester', token });
  });
  afterEach(async () => {
    near.end();
    await (await near.hub).close();
    await near.engine.close();
    await big.close();
  });
  const space: DoctorCheck = { name: 'space', status: 'ok', message: '5 GB free', fix: null };
  const looks = async ({ onCheck, onLoggedIn }: OpenOptions): Promise<void> => {
    onLoggedIn?.();
    onCheck?.(space);
  };
  const doctor = async () => (await client.call('hostDoctor', { params: { host: 'big' } })).items;
  const add = (places: object = {}) =>
    client.call('hostAdd', { body: { name: 'big', address: 'ssh://big', ...places } });

  it('is told while it is added, with how long an answer takes', async () => {
    await client.call('hostRemove', { params: { host: 'big' } });
    big.login = looks;
    const added = await add();
    assert.deepEqual(
      added.checks.map(({ name, status }) => [name, status]),
      ['reach', 'login', 'space', 'engine', 'round trip'].map((name) => [name, 'ok']),
    );
  });

  it('is looked at anew beside the link, and what the engine there finds comes after it', async () => {
    await client.call('hostReconnect', { params: { host: 'big' }, body: {} });
    big.login = looks;
    const links = big.open.size;
    const found = await doctor();
    assert.deepEqual(
      found.map(({ name }) => name),
      ['reach', 'login', 'space', 'engine', 'round trip', 'storage'],
    );
    assert.equal(big.open.size, links);
  });

  it('ends with the step that fails, and what to do about it', async () => {
    await client.call('hostRemove', { params: { host: 'big' } });
    big.login = async () => {
      throw fail('host_key_changed', { host: 'big', problem: 'Offending key.' });
    };
    await assert.rejects(add(), code('host_key_changed'));
    big.login = async () => undefined;
    await add();
    big.login = async () => {
      throw fail('host_refused', { host: 'big', problem: 'the cable was cut' });
    };
    for (const end of big.open) end.end('the cable was cut');
    const found = await doctor();
    assert.deepEqual(
      found.map(({ name, status }) => [name, status]),
      [['reach', 'problem']],
    );
    assert.match(found[0]?.message ?? '', /the cable was cut/);
  });

  it('says where an engine that is there keeps its data already', async () => {
    await client.call('hostRemove', { params: { host: 'big' } });
    const added = await add({ path: '/data/thin' });
    const check = added.checks.find(({ name }) => name === 'storage');
    assert.equal(check?.status, 'warning');
    assert.match(check.message, /not in \/data\/thin/);
  });

  it('is taken away again only where nothing is there, and the host stays known otherwise', async () => {
    const there: { left?: string[] } = {};
    big.link.uninstall = async () => {
      if (there.left === undefined)
        throw fail('uninstall_refused', { host: 'big', problem: 'something runs from there' });
      return there.left;
    };
    const remove = () => client.call('hostRemove', { params: { host: 'big' }, query: { uninstall: 'yes' } });
    big.memory.engine.declare('shop', { orders: 'first' });
    await assert.rejects(remove(), code('host_in_use'));
    await client.call('environmentDelete', { params: { environment: 'big/shop' } });
    while (
      (await client.call('hostShow', { params: { host: 'big' } })).state !== 'ready' ||
      big.memory.engine.store.environments.list().length > 0
    )
      await new Promise((resolve) => setTimeout(resolve, 2));
    await assert.rejects(remove(), code('uninstall_refused'));
    assert.equal((await client.call('hostReconnect', { params: { host: 'big' }, body: {} })).state, 'ready');
    there.left = ['/home/me/settings.json'];
    assert.deepEqual((await remove()).left, there.left);
    assert.equal((await client.call('hostList', {})).items.length, 1);
  });

  it('is kept beside that passwords may go there', async () => {
    const allow = (yes: boolean) =>
      client.call('hostPasswords', { params: { host: 'big' }, body: { allow: yes } });
    assert.equal((await client.call('hostShow', { params: { host: 'big' } })).takesPasswords, false);
    assert.equal((await allow(true)).takesPasswords, true);
    assert.equal((await client.call('hostShow', { params: { host: 'big' } })).takesPasswords, true);
    assert.equal((await allow(false)).takesPasswords, false);
  });

  it('gets no password of a source before somebody agreed, whoever asks', async () => {
    const member = { engine: 'postgres', retrieval: 'logical', url: 'postgresql://r@db/x' } as const;
    const withPassword = { ...member, url: 'postgresql://r:hidden@db/x' };
    const definition = (of: object = member) => ({ host: 'big', members: { orders: of } });
    big.memory.engine.declare('shop', { orders: 'first' });
    await client.call('hostReconnect', { params: { host: 'big' }, body: {} });
    const passwords = { orders: 'hidden' };
    const requests: readonly (() => Promise<unknown>)[] = [
      () =>
        call('environmentApply', {
          params: { name: 'big/shop' },
          body: { definition: definition(), passwords },
        }),
      () =>
        call('environmentApply', { params: { name: 'shop' }, body: { definition: definition(), passwords } }),
      () =>
        call('environmentApply', {
          params: { name: 'shop' },
          body: { definition: definition(withPassword) },
        }),
      () => call('environmentRefresh', { params: { environment: 'big/shop' }, body: { passwords } }),
      () => call('sourceTest', { body: { member, password: 'hidden', host: 'big' } }),
      () => call('sourceTest', { body: { member: withPassword, host: 'big' } }),
    ];
    const call = (name: string, input: object): Promise<unknown> =>
      client.call(name as 'sourceTest', input as never);
    for (const ask of requests)
      await assert.rejects(ask, (error) => {
        assert.ok(isFailure(error, 'password_consent'), String(error));
        assert.match(
          error.message,
          /host big \(.*\): its engine reads the sources, and keeps them sealed there/,
        );
        assert.match(error.document.next, /--yes/);
        return true;
      });
    assert.ok(!JSON.stringify(big.memory.log).includes('hidden'));
    // What has no password is nobody's question.
    await call('sourceTest', { body: { member, host: 'big' } });
    await client.call('hostPasswords', { params: { host: 'big' }, body: { allow: true } });
    for (const ask of requests)
      await ask().catch((error: unknown) => assert.ok(!isFailure(error, 'password_consent')));
    await client.call('hostPasswords', { params: { host: 'big' }, body: { allow: false } });
    for (const ask of requests) await assert.rejects(ask, code('password_consent'));
  });

  it('of a file is declined, in whatever way its address is written, until somebody adds it', async () => {
    await client.call('hostRemove', { params: { host: 'big' } });
    const decline = (address: string) => client.call('hostDecline', { body: { name: 'big', address } });
    await assert.rejects(decline('-oProxyCommand=x'), code('host_address'));
    await decline('me@big');
    await decline('SSH://me@big/');
    await decline('ssh://big');
    const declined = async () =>
      (await client.call('hostDeclinedList', {})).items.map(({ address }) => address);
    assert.deepEqual(await declined(), ['ssh://me@big', 'ssh://big']);
    await add();
    assert.deepEqual(await declined(), ['ssh://me@big']);
  });

  it('takes no place that is more than one line, or two of them', async () => {
    await client.call('hostRemove', { params: { host: 'big' } });
    for (const places of [
      { path: 'relative' },
      { path: '/a\nb' },
      { path: "/a\u0000'" },
      { dataset: '-o' },
      { dataset: 'tank/a@b' },
      { dataset: 'tank//a' },
      { dataset: 'tank/a b' },
      { path: '/a', dataset: 'tank' },
    ])
      await assert.rejects(add(places), code('invalid_request'), JSON.stringify(places));
  });
});

describe('a question that nobody answers', () => {
  it('is given up after two minutes, with the time', async () => {
    const reasons: ThinClonesError[] = [];
    let pass: () => void = () => undefined;
    const questions = createQuestions({
      host: 'big',
      clock: {
        now: () => new Date(0),
        monotonic: () => 0,
        sleep: (ms) => (assert.equal(ms, 120_000), new Promise((resolve) => (pass = resolve))),
      },
      random: { id: () => 'one', password: () => '' },
      isWanted: () => true,
      onChange: () => undefined,
      onGivenUp: (reason) => reasons.push(reason),
    });
    const reply = questions.ask(password, new AbortController().signal);
    assert.equal(questions.current()?.until, '1970-01-01T00:02:00.000Z');
    pass();
    assert.equal(await reply, undefined);
    assert.match(reasons[0]?.message ?? '', /Nobody answered within 120 s/);
    assert.equal(questions.current(), null);
    assert.throws(() => questions.answer('one', secret), code('host_question_over'));
  });
});
