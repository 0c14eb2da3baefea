/** `thin-clones job`: what ran, what runs, and its log. */
import { InvalidArgumentError, type Command } from 'commander';
import type { Job, JobLine } from '../protocol/entities.ts';
import { followJob } from './follow.ts';
import { formatAge, formatDuration, formatFields, formatTable, printable } from './format.ts';
import type { Session } from './session.ts';

function took(job: { startedAt: string | null; endedAt: string | null }, now: number): string {
  if (job.startedAt === null) return '-';
  const end = job.endedAt === null ? now : Date.parse(job.endedAt);
  return formatDuration(end - Date.parse(job.startedAt));
}

function jobText(job: Job, now: number): string {
  const fields = formatFields([
    ['job', job.id],
    ['title', job.title],
    ['state', job.state === 'running' ? `running, ${Math.floor(job.progress * 100)}%` : job.state],
    ['by', job.createdBy],
    ['created', `${job.createdAt} (${formatAge(job.createdAt, now)})`],
    ['took', took(job, now)],
    ...(job.error === null ? [] : [['error', job.error.message] as const, ['next', job.error.next] as const]),
  ]);
  if (job.tasks.length === 0) return fields;
  const tasks = formatTable(
    ['TASK', 'STATE', 'PROGRESS', 'TOOK'],
    job.tasks.map((task) => [
      task.name,
      task.state,
      task.progress === null ? '-' : `${Math.floor(task.progress * 100)}%`,
      took(task, now),
    ]),
  );
  return `${fields}\n\n${tasks}`;
}

const lineText = ({ at, level, task, text }: JobLine): string =>
  printable(`${at} ${level === 'info' ? '' : `${level}: `}${task === null ? '' : `[${task}] `}${text}`);

export function addJobCommands(program: Command, session: Session): void {
  const { output, signal, surroundings } = session;
  const job = program.command('job').description('jobs: what ran, what runs, and its log');

  job
    .command('list')
    .description('jobs, newest first')
    .option('--limit <count>', 'at most this many', (text) => {
      const count = Number(text);
      if (!Number.isInteger(count) || count < 1 || count > 1000)
        throw new InvalidArgumentError('Expected a whole number from 1 to 1000.');
      return count;
    })
    .action(async ({ limit }: { limit?: number }) => {
      const query = limit === undefined ? {} : { limit };
      const answer = await (await session.client()).call('jobList', { query }, { signal });
      output.answer({
        json: answer,
        text: () =>
          formatTable(
            ['ID', 'JOB', 'STATE', 'BY', 'CREATED', 'TOOK'],
            answer.items.map((each) => [
              each.id,
              each.title,
              each.state,
              each.createdBy,
              formatAge(each.createdAt, surroundings.now()),
              took(each, surroundings.now()),
            ]),
          ),
      });
    });

  job
    .command('show')
    .description('one job with its tasks')
    .argument('<id>', 'a job')
    .action(async (id: string) => {
      const found = await (await session.client()).call('jobShow', { params: { job: id } }, { signal });
      output.answer({ json: found, text: () => jobText(found, surroundings.now()) });
    });

  addLogs(job, session);
  job
    .command('cancel')
    .description('cancel a job; what it did is undone')
    .argument('<id>', 'a job')
    .action(async (id: string) => {
      const canceled = await (await session.client()).call('jobCancel', { params: { job: id } }, { signal });
      output.answer({
        json: canceled,
        text: () =>
          canceled.state === 'cancelled'
            ? `Job ${canceled.id} is canceled.`
            : `Job ${canceled.id} is being canceled (${canceled.state}).`,
      });
    });
}

function addLogs(job: Command, session: Session): void {
  const { output, signal, surroundings } = session;
  job
    .command('logs')
    .description("a job's log lines")
    .argument('<id>', 'a job')
    .option('-f, --follow', 'go on until it has ended')
    .action(async (id: string, { follow }: { follow?: boolean }) => {
      const client = await session.client();
      const found = await client.call('jobShow', { params: { job: id } }, { signal });
      const lines: JobLine[] = [];
      let count = 0;
      const take = (line: JobLine) => {
        count += 1;
        // With --json it is one document, at the end.
        if (output.json) lines.push(line);
        else surroundings.stdout.write(`${lineText(line)}\n`);
      };
      if (follow === true) {
        await followJob(session, found.id, { line: take, job: () => undefined }, signal);
      } else {
        for (let after = 0, more = true; more;) {
          const { items } = await client.call(
            'jobLines',
            { params: { job: found.id }, query: { after } },
            { signal },
          );
          items.forEach(take);
          more = items.length > 0;
          after = items.at(-1)?.line ?? after;
        }
      }
      if (count === 0 && !output.json) output.note(`Job ${found.id} (${found.title}) has no lines.`);
      output.answer({ json: { items: lines }, text: () => '' });
    });
}
