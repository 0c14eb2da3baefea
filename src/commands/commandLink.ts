/** Writes links that run commands of ours from Markdown: a wrong argument does not compile. */
import type { CommandArguments, CommandId } from './commandIds.ts';

/** VS Code reads the arguments as JSON, as an array; a parenthesis would end the link. */
export const commandLink = <Id extends CommandId>(
  label: string,
  id: Id,
  ...subject: CommandArguments<Id>
): string => {
  const query =
    subject.length === 0
      ? ''
      : `?${encodeURIComponent(JSON.stringify(subject)).replace(/[()]/g, (mark) => (mark === '(' ? '%28' : '%29'))}`;
  return `[${label}](command:${id}${query})`;
};
