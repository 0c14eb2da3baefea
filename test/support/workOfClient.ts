/** What tests do through a client, on whichever host it is done: wait for a job, take a clone's login, ask its server. */
import assert from 'node:assert/strict';
import pg from 'pg';
import type { Client } from '../../engine/protocol/client.ts';
import type { Connection, Job } from '../../engine/protocol/entities.ts';

/** It is bounded by the test's own time alone. */
export async function until(isSo: () => boolean | Promise<boolean>, everyMs = 10): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, everyMs));
}

/** Resolves when the job that was asked for has succeeded. */
export async function succeeded(client: Client, request: Promise<{ job: Job }>, everyMs = 10): Promise<Job> {
  const { job } = await request;
  let last = job;
  await until(async () => {
    last = await client.call('jobShow', { params: { job: job.id } });
    return last.endedAt !== null;
  }, everyMs);
  assert.equal(last.state, 'succeeded', JSON.stringify(last.error));
  return last;
}

/** Of the first member. */
export async function loginOf(client: Client, clone: string): Promise<Connection> {
  const [first] = (await client.call('cloneConnection', { params: { clone } })).items;
  assert.ok(first);
  return first;
}

/** The column `v` of the first row, in a session of its own. `options`: of the session, besides the login. */
export async function ask(
  login: Connection,
  sql: string,
  options: Readonly<pg.ClientConfig> = {},
): Promise<string | undefined> {
  const { host, port, user, password, database } = login;
  const session = new pg.Client({ host, port, user, password, database, ...options });
  session.on('error', () => undefined); // lines are cut and machines go down on purpose
  await session.connect();
  try {
    return (await session.query<{ v: string }>(sql)).rows[0]?.v;
  } finally {
    await session.end();
  }
}
