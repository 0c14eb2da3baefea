import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createChildLink } from '../../../engine/link/child/childLink.ts';
import { isFailure } from '../../../engine/protocol/errors.ts';
import { describeLink } from './link.contract.ts';

const farEnd = join(import.meta.dirname, 'farEnd.mjs');
const signal = new AbortController().signal;
const child = (program: string, args: readonly string[]) =>
  createChildLink({ name: 'far', address: 'test://far', program, args, environment: process.env });

describeLink('child', async () => ({
  link: (mode) => child(process.execPath, [farEnd, mode]),
  farEnds: childrenOfThisProcess,
  dispose: async () => undefined,
}));

async function childrenOfThisProcess(): Promise<number> {
  let count = 0;
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    // best effort: a process that ended meanwhile is none.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    if (stat.split(') ')[1]?.split(' ')[1] === String(process.pid)) count += 1;
  }
  return count;
}

describe('child link', () => {
  it('says which program is not there', async () => {
    await assert.rejects(child('/nowhere/ssh', []).open({ signal }), (error) => {
      assert.ok(isFailure(error, 'host_unreachable'));
      assert.equal(error.message, "Host far can't be reached: /nowhere/ssh was not found.");
      return true;
    });
  });

  it('hands arguments over unchanged, whatever is in them', async () => {
    const words = ['$(id)', "a'b", 'x y', '*', 'é\u{1f418}', ''];
    const stream = await child(process.execPath, [
      '-e',
      'process.stdout.write(JSON.stringify(process.argv.slice(1)))',
      '--',
      ...words,
    ]).open({ signal });
    let text = '';
    for await (const chunk of stream.bytes) text += String(chunk);
    assert.deepEqual(JSON.parse(text), words);
    const reason = await stream.ended;
    assert.match(reason.message, /ended with exit code 0/);
  });

  it('keeps the last of what a program says without end', async () => {
    const script = 'for (let i = 0; i < 200000; i++) console.error("line " + i); process.exitCode = 1';
    const stream = await child(process.execPath, ['-e', script]).open({ signal });
    stream.bytes.resume();
    const reason = await stream.ended;
    assert.match(reason.message, /line 199997 \/ line 199998 \/ line 199999$/);
  });

  it('names the signal that ended it', async () => {
    const stream = await child(process.execPath, ['-e', 'process.kill(process.pid, "SIGKILL")']).open({
      signal,
    });
    stream.bytes.resume();
    assert.match((await stream.ended).message, /was ended by SIGKILL$/);
  });

  it('ends a program that neither reads its input nor hears TERM, and what that started', async () => {
    const stream = await child('sh', ['-c', 'trap "" TERM; echo ready; sleep 1000 & sleep 1000']).open({
      signal,
    });
    await once(stream.bytes, 'data');
    stream.close();
    await stream.ended;
    assert.equal(await childrenOfThisProcess(), 0);
  });

  it('is over when its program is, whoever else holds the pipes', async () => {
    const stream = await child('sh', ['-c', 'echo gone >&2; sleep 5 & exit 1']).open({ signal });
    stream.bytes.resume();
    const closed = once(stream.bytes, 'close');
    assert.match((await stream.ended).message, /gone$/);
    await closed;
  });
});
