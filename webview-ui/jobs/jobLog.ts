/** The log as rows: a heading for each task and its lines below, folded and filtered as the reader wishes. */
import { createLineStore, type StoredLine } from './lineStore.ts';
import { levels, type Level, type PageLine } from './messages.ts';
import { createSerialList, type SerialList } from './serialList.ts';

/** Name of the group of lines that belong to no task. */
export const noTask = '';

export type Row =
  | {
      readonly kind: 'group';
      readonly name: string;
      readonly lines: number;
      readonly expanded: boolean;
      /** From 1. */
      readonly position: number;
      readonly of: number;
    }
  | { readonly kind: 'line'; readonly serial: number; readonly position: number; readonly of: number };

export interface Filter {
  /** The lowest level that is shown. */
  readonly level: Level;
  /** Shown when the text contains it; upper and lower case count as the same. */
  readonly search: string;
}

export interface JobLog {
  readonly rows: number;
  /** Lines that came in, those that were dropped for memory included. */
  readonly lines: number;
  /** The oldest lines that are no longer held. */
  readonly dropped: number;
  /** Lines that pass the filter, as far as they were looked at. */
  readonly shown: number;
  readonly lastLine: number;
  readonly bytes: number;
  readonly filter: Filter;
  /** The tasks in order; groups of lines with other names follow. */
  setTasks(names: readonly string[]): void;
  append(lines: readonly PageLine[]): void;
  setFilter(filter: Filter): void;
  /** Looks at up to so many lines after the filter was changed; answers whether there are more to look at. */
  scan(lines: number): boolean;
  setCollapsed(names: readonly string[]): void;
  setExpanded(name: string, expanded: boolean): void;
  readonly collapsed: readonly string[];
  row(index: number): Row;
  line(serial: number): StoredLine;
  /** Row of a line, or of its group's heading while that is folded; undefined when the filter hides it. */
  rowOfSerial(serial: number): number | undefined;
  rowOfGroup(name: string): number | undefined;
  /**
   * Row of the line to follow: the newest of the last of these groups that has lines, else of the last group. Not simply the
   * newest line: tasks that run side by side would make the view jump between them.
   */
  tailRow(preferred: ReadonlySet<string>): number | undefined;
  /** Row of the first shown line from this number on. */
  rowOfLine(line: number): number | undefined;
  /** Number of the first line at or below a row; undefined when no line follows. */
  lineAtRow(row: number): number | undefined;
  /** The lines that pass the filter, in the order of the log, and how many there were before the last so many. */
  text(limit: number): { text: string; lines: number; leftOut: number };
}

interface Group {
  readonly name: string;
  readonly serials: SerialList;
  expanded: boolean;
}

export function createJobLog(textBudget?: number): JobLog {
  const store = createLineStore(textBudget);
  /** By the number that the store knows them by. */
  const groups: Group[] = [];
  const byName = new Map<string, number>();
  const collapsed = new Set<string>();
  let taskNames: readonly string[] = [];
  /** Group numbers in the order in which they are shown. */
  let order: readonly number[] = [];
  let filter: Filter = { level: 'info', search: '' };
  let needle = '';
  let lowest = 0;
  /** The lines before it were looked at. */
  let scanned = 0;
  let shown = 0;
  let firstHeld = 0;

  const groupNumber = (name: string): number => {
    const known = byName.get(name);
    if (known !== undefined) return known;
    const number = groups.push({ name, serials: createSerialList(), expanded: !collapsed.has(name) }) - 1;
    byName.set(name, number);
    reorder();
    return number;
  };

  const reorder = (): void => {
    const tasks = taskNames.map((name) => byName.get(name)).filter((number) => number !== undefined);
    const others = groups.map((_, number) => number).filter((number) => !tasks.includes(number));
    const general = others.filter((number) => groups[number]?.name === noTask);
    order = [...general, ...tasks, ...others.filter((number) => !general.includes(number))];
  };

  /** Groups with a heading: every task, and any other group that has lines. */
  const visible = (): Group[] =>
    order
      .map((number) => groups[number])
      .filter((group) => group !== undefined)
      .filter((group) => group.serials.length > 0 || taskNames.includes(group.name));

  const rowsOf = (group: Group): number => 1 + (group.expanded ? group.serials.length : 0);

  const passes = (serial: number): boolean => {
    if (lowest > 0 && levels.indexOf(store.level(serial)) < lowest) return false;
    return needle === '' || store.read(serial).text.toLowerCase().includes(needle);
  };

  const look = (serial: number): void => {
    if (!passes(serial)) return;
    groups[store.group(serial)]?.serials.push(serial);
    shown += 1;
  };

  const scan = (lines: number): boolean => {
    scanned = Math.max(scanned, store.first);
    const end = Math.min(store.end, scanned + lines);
    for (; scanned < end; scanned++) look(scanned);
    return scanned < store.end;
  };

  const dropOld = (): void => {
    if (store.first === firstHeld) return;
    firstHeld = store.first;
    shown = 0;
    for (const { serials } of groups) {
      serials.dropBelow(firstHeld);
      shown += serials.length;
    }
  };

  const startOf = (wanted: Group): number | undefined => {
    let start = 0;
    for (const group of visible()) {
      if (group === wanted) return start;
      start += rowsOf(group);
    }
    return undefined;
  };

  const rowOfSerial = (serial: number): number | undefined => {
    if (serial < store.first || serial >= store.end) return undefined;
    const group = groups[store.group(serial)];
    if (group === undefined) return undefined;
    const index = group.serials.indexOf(serial);
    if (index >= group.serials.length || group.serials.at(index) !== serial) return undefined;
    const start = startOf(group);
    return start === undefined ? undefined : group.expanded ? start + 1 + index : start;
  };

  const locate = (index: number): { group: Group; inside: number; position: number; of: number } => {
    const shownGroups = visible();
    let rest = index;
    for (const [position, group] of shownGroups.entries()) {
      const rows = rowsOf(group);
      if (rest < rows) return { group, inside: rest, position: position + 1, of: shownGroups.length };
      rest -= rows;
    }
    throw new RangeError(`no row ${index}`);
  };

  const total = (): number => visible().reduce((sum, group) => sum + rowsOf(group), 0);

  return {
    get rows() {
      return total();
    },
    get lines() {
      return store.end;
    },
    get dropped() {
      return store.first;
    },
    get shown() {
      return shown;
    },
    get lastLine() {
      return store.lastLine;
    },
    get bytes() {
      return store.bytes;
    },
    get filter() {
      return filter;
    },
    setTasks(names) {
      taskNames = [...new Set(names)];
      for (const name of taskNames) groupNumber(name);
      reorder();
    },
    append(lines) {
      const caughtUp = scanned === store.end;
      for (const line of lines) {
        const taken = store.append(line, groupNumber(line.task ?? noTask));
        // While older lines wait to be looked at, the new ones wait behind them: the lists must rise.
        if (taken && caughtUp) look(scanned++);
      }
      dropOld();
    },
    setFilter(next) {
      filter = next;
      needle = next.search.toLowerCase();
      lowest = levels.indexOf(next.level);
      for (const { serials } of groups) serials.clear();
      scanned = store.first;
      shown = 0;
    },
    scan,
    setCollapsed(names) {
      collapsed.clear();
      for (const name of names) collapsed.add(name);
      for (const group of groups) group.expanded = !collapsed.has(group.name);
    },
    setExpanded(name, expanded) {
      if (expanded) collapsed.delete(name);
      else collapsed.add(name);
      const group = groups[byName.get(name) ?? -1];
      if (group !== undefined) group.expanded = expanded;
    },
    get collapsed() {
      return [...collapsed];
    },
    row(index) {
      const { group, inside, position, of } = locate(index);
      if (inside === 0) {
        return {
          kind: 'group',
          name: group.name,
          lines: group.serials.length,
          expanded: group.expanded,
          position,
          of,
        };
      }
      return {
        kind: 'line',
        serial: group.serials.at(inside - 1),
        position: inside,
        of: group.serials.length,
      };
    },
    line: (serial) => store.read(serial),
    rowOfSerial,
    rowOfGroup(name) {
      const group = groups[byName.get(name) ?? -1];
      return group === undefined ? undefined : startOf(group);
    },
    tailRow(preferred) {
      const withLines = visible().filter((group) => group.serials.length > 0);
      const group = withLines.findLast(({ name }) => preferred.has(name)) ?? withLines.at(-1);
      return group === undefined ? undefined : rowOfSerial(group.serials.at(group.serials.length - 1));
    },
    rowOfLine(line) {
      for (let serial = store.find(line); serial < scanned; serial++) {
        const row = rowOfSerial(serial);
        if (row !== undefined) return row;
      }
      return undefined;
    },
    lineAtRow(row) {
      const end = total();
      for (let index = Math.max(0, row); index < end;) {
        const { group, inside } = locate(index);
        if (inside > 0) return store.lineNumber(group.serials.at(inside - 1));
        index += 1;
      }
      return undefined;
    },
    text(limit) {
      const all: number[] = [];
      for (let serial = store.first; serial < store.end; serial++) if (passes(serial)) all.push(serial);
      const kept: string[] = [];
      let length = 0;
      let index = all.length;
      for (; index > 0; index--) {
        const { at, level, text } = store.read(all[index - 1] ?? 0);
        const line = `${new Date(at).toISOString()} ${level.padEnd(7)} ${text}\n`;
        length += line.length;
        if (length > limit) break;
        kept.push(line);
      }
      return { text: kept.reverse().join(''), lines: kept.length, leftOut: index + store.first };
    },
  };
}
