/** `thin-clones clone protect`: keeps a clone for a time, or for good. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Session } from '../session.ts';
import { protection } from './texts.ts';

export function addProtect(clone: Command, session: Session): void {
  const { output, signal } = session;
  clone
    .command('protect')
    .description('keep a clone from being destroyed or cleaned up, for good or for a while')
    .argument('<clone>', 'a clone')
    .addOption(new Option('--for <time>', 'for this long, e.g. 30m, 8h or 7d').argParser(parseMinutes))
    .addOption(new Option('--off', 'protect it no longer').conflicts('for'))
    .action(async (reference: string, options: { for?: number; off?: boolean }) => {
      const client = await session.client();
      const minutes = options.off === true ? null : (options.for ?? 'forever');
      const input = { params: { clone: reference }, body: { minutes } } as const;
      const changed = await client.call('cloneProtect', input, { signal });
      output.answer({
        json: changed,
        text: () =>
          changed.protectedUntil === null
            ? `Clone ${changed.name} is not protected.`
            : `Clone ${changed.name} is protected ${protection(changed)}.`,
      });
    });
}

const minutesOf = { m: 1, h: 60, d: 24 * 60 } as const;
const longestMinutes = 5_256_000;
function parseMinutes(text: string): number {
  const match = /^([1-9][0-9]{0,6})([mhd])$/.exec(text);
  const minutes = Number(match?.[1]) * minutesOf[match?.[2] as keyof typeof minutesOf];
  if (match === null || minutes > longestMinutes)
    throw new InvalidArgumentError('Expected a number and m, h or d, at most ten years, e.g. 30m, 8h or 7d.');
  return minutes;
}
