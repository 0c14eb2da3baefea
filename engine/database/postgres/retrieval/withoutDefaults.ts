/** Makes a table's statement without the defaults that name what is not here. */

/** The server's words for it; a name in them has no quotes. */
const LACKING = [
  /^function (.+?)\(.*\) does not exist$/,
  /^type "(.+)" does not exist$/,
  /^schema "(.+)" does not exist$/,
];

/** pg_dump writes each column in a line of its own. */
const COLUMN = /^( {4}.+?) DEFAULT (.+?)((?: CONSTRAINT \S+)? NOT NULL(?: NO INHERIT)?)?(,?)$/;

/** Undefined: no default names it. */
export function withoutDefaults(sql: string, problem: string): string | undefined {
  const name = LACKING.map((pattern) => pattern.exec(problem)?.[1]).find((found) => found !== undefined);
  if (name === undefined) return undefined;
  const lines = sql.split('\n').map((line) => {
    const [, column = '', value, notNull = '', comma = ''] = COLUMN.exec(line) ?? [];
    return value?.replaceAll('"', '').includes(name) === true ? `${column}${notNull}${comma}` : line;
  });
  const less = lines.join('\n');
  return less === sql ? undefined : less;
}
