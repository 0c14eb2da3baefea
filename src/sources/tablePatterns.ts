/** Writes names of schemas and tables as the patterns of a definition, which mean exactly these: capitals fold and `*` is wild in them. */

export const exactPattern = (...names: readonly string[]): string =>
  names.map((name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`)).join('.');
