/** The log of the job page: held compactly, grouped by task, folded, filtered. */
import assert from 'node:assert/strict';
import { createJobLog, type JobLog } from '../../../webview-ui/jobs/jobLog.ts';
import { createLineStore } from '../../../webview-ui/jobs/lineStore.ts';
import { createSerialList } from '../../../webview-ui/jobs/serialList.ts';
import { at, lineOf } from './jobs.ts';

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => lineOf(from + index));

/** Rows as text: "+ copy (2)" for an open task, "- copy (2)" for a folded one, the text of a line. */
function rowsOf(log: JobLog): string[] {
  return Array.from({ length: log.rows }, (_, index) => {
    const row = log.row(index);
    if (row.kind === 'line') return log.line(row.serial).text;
    return `${row.expanded ? '+' : '-'} ${row.name || 'General'} (${row.lines})`;
  });
}

describe('The line store', () => {
  it('gives back number, time, level and text of a line as they came in', () => {
    const store = createLineStore();
    const text = 'naïve "quotes" <img onerror=alert(1)> 漢字 \u{1f600} \u0000';
    store.append(lineOf(7, { text, level: 'warning', at: at(3.25) }), 12);
    assert.deepEqual(store.read(0), { line: 7, at: Date.parse(at(3.25)), level: 'warning', text });
    assert.equal(store.group(0), 12);
  });

  it('takes a line once', () => {
    const store = createLineStore();
    assert.ok(store.append(lineOf(1), 0));
    assert.ok(store.append(lineOf(2), 0));
    assert.ok(!store.append(lineOf(2, { text: 'again' }), 0));
    assert.ok(!store.append(lineOf(1), 0));
    assert.equal(store.end, 2);
    assert.equal(store.read(1).text, 'line 2');
  });

  it('keeps what is in it over the borders of its blocks', () => {
    const store = createLineStore();
    for (const line of lines(1, 10_000)) store.append(line, line.line % 5);
    for (const serial of [0, 4095, 4096, 8191, 8192, 9999]) {
      assert.equal(store.read(serial).text, `line ${serial + 1}`);
      assert.equal(store.group(serial), (serial + 1) % 5);
    }
    assert.throws(() => store.read(10_000), RangeError);
  });

  it('drops the oldest lines when it holds more text than it may', () => {
    const store = createLineStore(300_000);
    for (let line = 1; line <= 20_000; line++) store.append(lineOf(line, { text: 'x'.repeat(50) }), 0);
    assert.ok(store.first > 0);
    assert.ok(store.bytes < 600_000, `${store.bytes} bytes`);
    assert.equal(store.read(store.first).line, store.first + 1);
    assert.equal(store.read(19_999).line, 20_000);
    assert.throws(() => store.read(0), RangeError);
  });

  it('cuts a line that is longer than anybody reads, and says so', () => {
    const store = createLineStore();
    store.append(lineOf(1, { text: 'y'.repeat(1_000_000) }), 0);
    const { text } = store.read(0);
    assert.ok(text.length < 17_000);
    assert.match(text, /983616 more characters/);
  });

  it('finds a line by its number, also when numbers are missing', () => {
    const store = createLineStore();
    for (const number of [3, 4, 9, 10]) store.append(lineOf(number), 0);
    assert.deepEqual(
      [1, 3, 5, 9, 10, 11].map((line) => store.find(line)),
      [0, 0, 2, 2, 3, 4],
    );
  });

  it('holds a million lines in less than 100 MB', () => {
    const store = createLineStore();
    const text = 'pg_restore: processing data for table "public.order_items"';
    for (let line = 1; line <= 1_000_000; line++) {
      store.append({ line, at: '2026-11-20T09:00:00.000Z', task: null, level: 'info', text }, 0);
    }
    assert.equal(store.first, 0);
    assert.ok(store.bytes < 80_000_000, `${store.bytes} bytes`);
  }).timeout(30_000);
});

describe('The list of serial numbers', () => {
  it('grows at its end and is cut at its start', () => {
    const list = createSerialList();
    for (let serial = 0; serial < 5000; serial += 2) list.push(serial);
    list.dropBelow(4001);
    assert.equal(list.length, 499);
    assert.equal(list.at(0), 4002);
    for (let serial = 5000; serial < 50_000; serial++) list.push(serial);
    assert.equal(list.at(0), 4002);
    assert.equal(list.at(list.length - 1), 49_999);
    assert.equal(list.indexOf(5001), 500);
    assert.throws(() => list.at(list.length), RangeError);
  });
});

describe('The log of the job page', () => {
  it('shows the tasks in order, each with its lines below', () => {
    const log = createJobLog();
    log.setTasks(['copy', 'start']);
    log.append([lineOf(1), lineOf(2, { task: 'start', text: 'listening' }), lineOf(3)]);
    assert.deepEqual(rowsOf(log), ['+ copy (2)', 'line 1', 'line 3', '+ start (1)', 'listening']);
  });

  it('shows lines of no task first, under a heading of their own that is there only when it has lines', () => {
    const log = createJobLog();
    log.setTasks(['copy']);
    assert.deepEqual(rowsOf(log), ['+ copy (0)']);
    log.append([lineOf(1, { task: null, text: 'queued' }), lineOf(2)]);
    assert.deepEqual(rowsOf(log), ['+ General (1)', 'queued', '+ copy (1)', 'line 2']);
  });

  it('shows lines that come before their task is known', () => {
    const log = createJobLog();
    log.append([lineOf(1)]);
    assert.deepEqual(rowsOf(log), ['+ copy (1)', 'line 1']);
    log.setTasks(['prepare', 'copy']);
    assert.deepEqual(rowsOf(log), ['+ prepare (0)', '+ copy (1)', 'line 1']);
  });

  it('folds a task away, remembers it by name and unfolds it', () => {
    const log = createJobLog();
    log.setCollapsed(['copy', 'not yet there']);
    log.setTasks(['copy']);
    log.append(lines(1, 3));
    assert.deepEqual(rowsOf(log), ['- copy (3)']);
    assert.equal(log.rowOfSerial(2), 0);
    log.setExpanded('copy', true);
    assert.equal(log.rows, 4);
    assert.equal(log.rowOfSerial(2), 3);
    assert.deepEqual(log.collapsed, ['not yet there']);
  });

  it('filters by level and by text, whatever its case, and counts what it shows', () => {
    const log = createJobLog();
    log.append([
      lineOf(1, { text: 'Copying ORDERS' }),
      lineOf(2, { level: 'warning', text: 'orders has no primary key' }),
      lineOf(3, { level: 'error', text: 'disk full' }),
    ]);
    log.setFilter({ level: 'info', search: 'Orders' });
    while (log.scan(1));
    assert.equal(log.shown, 2);
    assert.deepEqual(rowsOf(log).slice(1), ['Copying ORDERS', 'orders has no primary key']);
    log.setFilter({ level: 'warning', search: '' });
    while (log.scan(1));
    assert.deepEqual(rowsOf(log).slice(1), ['orders has no primary key', 'disk full']);
    log.append([lineOf(4, { text: 'orders' }), lineOf(5, { level: 'error', text: 'gone' })]);
    assert.equal(log.shown, 3);
    assert.equal(log.rowOfSerial(3), undefined);
  });

  it('keeps lines in order that arrive while a new filter is still looking at older ones', () => {
    const log = createJobLog();
    log.append(lines(1, 10));
    log.setFilter({ level: 'info', search: 'line' });
    log.scan(4);
    log.append(lines(11, 12));
    assert.equal(log.shown, 4);
    while (log.scan(3));
    assert.deepEqual(
      rowsOf(log).slice(1),
      lines(1, 12).map(({ text }) => text),
    );
  });

  it('knows which row a line has, and which line is at or below a row', () => {
    const log = createJobLog();
    log.setTasks(['copy', 'start']);
    log.append([lineOf(1), lineOf(2, { task: 'start' }), lineOf(3)]);
    assert.equal(log.rowOfLine(3), 2);
    assert.equal(log.rowOfLine(99), undefined);
    assert.equal(log.lineAtRow(0), 1);
    assert.equal(log.lineAtRow(3), 2);
    assert.equal(log.lineAtRow(5), undefined);
  });

  it('follows the running task when tasks run side by side, else the last one with lines', () => {
    const log = createJobLog();
    log.setTasks(['copy', 'start', 'check']);
    assert.equal(log.tailRow(new Set()), undefined);
    log.append([lineOf(1), lineOf(2, { task: 'start' }), lineOf(3)]);
    assert.equal(log.tailRow(new Set(['copy'])), 2);
    assert.equal(log.tailRow(new Set(['check'])), 4);
    assert.equal(log.tailRow(new Set()), 4);
  });

  it('forgets the rows of lines that it no longer holds', () => {
    const log = createJobLog(400_000);
    for (let from = 1; from < 40_000; from += 1000) {
      log.append(lines(from, from + 999).map((line) => ({ ...line, text: 'z'.repeat(40) })));
    }
    assert.ok(log.dropped > 0);
    assert.equal(log.shown, log.lines - log.dropped);
    assert.equal(log.rows, 1 + log.shown);
    const row = log.row(1);
    assert.ok(row.kind === 'line' && log.line(row.serial).line === log.dropped + 1);
    assert.equal(log.rowOfSerial(0), undefined);
  });

  it('gives what it shows as text, the newest first when there is too much', () => {
    const log = createJobLog();
    log.append([lineOf(1), lineOf(2, { level: 'error', text: 'two\nlines' }), lineOf(3)]);
    const all = log.text(1_000_000);
    assert.equal(all.lines, 3);
    assert.match(all.text, /^2026-11-20T09:00:00.100Z info {4}line 1\n.* error {3}two\nlines\n.* line 3\n$/);
    const last = log.text(45);
    assert.deepEqual([last.lines, last.leftOut], [1, 2]);
    assert.match(last.text, /line 3\n$/);
  });
});
