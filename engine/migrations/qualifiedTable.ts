/** Takes the name of a table apart, as configurations write it for SQL: with its schema in front, and both in quotes where they need it. */

export interface QualifiedTable {
  readonly name: string;
  /** Undefined where none is said. */
  readonly schema: string | undefined;
}

export function qualifiedTable(text: string): QualifiedTable {
  const [, first, second] = /^("(?:[^"]|"")+"|[^".]+)(?:\.("(?:[^"]|"")+"|[^"]+))?$/.exec(text) ?? [];
  if (first === undefined) return { name: text, schema: undefined };
  return second === undefined
    ? { name: bare(first), schema: undefined }
    : { name: bare(second), schema: bare(first) };
}

const bare = (part: string): string =>
  part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
