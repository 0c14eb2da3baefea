/** Decides which shared libraries some programs need, and under which file names, by reading the binaries. */

/** A library as a package carries it: its file, and the names that its links would give it. */
export interface LibraryFile {
  readonly name: string;
  readonly linkNames: readonly string[];
  readonly content: Buffer;
}

export interface NeededLibrary {
  readonly library: LibraryFile;
  /** The first is the name to give the file; any further one must lead to the same file. */
  readonly names: readonly [string, ...string[]];
}

/**
 * Everything that `roots` ask for, directly or through other libraries. Library names stand in ELF's string
 * table, in Mach-O load commands and in PE import tables as text that ends in NUL, so one search serves all
 * three and also finds what is opened by name while running (libpq-oauth).
 */
export function neededLibraries(
  roots: readonly Buffer[],
  available: readonly LibraryFile[],
): readonly NeededLibrary[] {
  const names = new Map<LibraryFile, Set<string>>();
  const pending = [...roots];
  const searched = new Set<Buffer>();
  for (let binary = pending.pop(); binary !== undefined; binary = pending.pop()) {
    if (searched.has(binary)) continue;
    searched.add(binary);
    const text = binary.toString('latin1').toLowerCase();
    for (const library of available) {
      if (library.content === binary) continue;
      for (const name of [library.name, ...library.linkNames]) {
        if (!mentions(text, name.toLowerCase())) continue;
        const known = names.get(library);
        if (known === undefined) {
          names.set(library, new Set([name]));
          pending.push(library.content);
        } else {
          known.add(name);
        }
      }
    }
  }
  return [...names].map(([library, found]) => {
    // The file's own name first, so that a link points from the short name to the long one, as usual.
    const [first = library.name, ...others] = [...found].sort((a, b) =>
      a === library.name ? -1 : b === library.name ? 1 : a.localeCompare(b),
    );
    return { library, names: [first, ...others] };
  });
}

/** Whether the whole name occurs: `libz.so.1` must not be found in `libz.so.1.3` nor in `mylibz.so.1`. */
function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    const before = text[at - 1];
    if ((before === '\0' || before === '/') && text[at + name.length] === '\0') return true;
  }
  return false;
}
