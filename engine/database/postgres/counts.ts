/** Numbers of things, as the lines of a job tell them. */

/** "1 table", "2 indexes". */
export const countOf = (count: number, noun: string, plural = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : plural}`;
