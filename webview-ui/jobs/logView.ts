/** Draws the rows of the log that are in sight, follows its end, and lets the keyboard reach every row. */
import { element, setText } from '../shared/element.ts';
import { changeIcon, icon, type IconName } from '../shared/icons.ts';
import {
  contentHeight,
  rowWindow,
  scrollTopFor,
  scrollTopToReveal,
  topRow,
  type Viewport,
} from '../shared/rowWindow.ts';
import { noTask, type JobLog, type Row } from './jobLog.ts';
import { taskAmounts, taskStateTexts } from './jobState.ts';
import type { Level, PageTask } from './messages.ts';

/** Equals --row-height in job.css. */
const rowHeight = 20;
/** No screen is wider; the rest stays in the copied text. */
const longestDrawn = 4000;

export interface LogView {
  readonly element: HTMLElement;
  /** Draws soon; many calls in one frame draw once. */
  refresh(): void;
  setTasks(tasks: readonly PageTask[], live: boolean): void;
  following: boolean;
  followEnd(): void;
  /** Whether the end is out of sight, so that a way back to it helps. */
  readonly endOutOfSight: boolean;
  /** Number of the line at the top. */
  readonly topLine: number;
  /** Goes there as soon as the line is held. */
  restoreTop(line: number): void;
  focus(): void;
}

export interface LogViewOptions {
  readonly log: JobLog;
  readonly now: () => number;
  /** After every drawing and when the reader has moved, folded or followed. */
  readonly onDraw: () => void;
  readonly onCopyLine: (text: string) => void;
}

type Active = { kind: 'group'; name: string } | { kind: 'line'; serial: number };

const taskIcons: Record<PageTask['state'], IconName> = {
  pending: 'circle-outline',
  running: 'loading',
  succeeded: 'pass',
  failed: 'error',
  undone: 'discard',
  skipped: 'circle-slash',
};
const levelIcons: Record<Exclude<Level, 'info'>, IconName> = { warning: 'warning', error: 'error' };

interface Heading {
  readonly element: HTMLElement;
  update(row: Extract<Row, { kind: 'group' }>, task: PageTask | undefined, live: boolean): void;
}

function heading(now: () => number): Heading {
  const twistie = icon('chevron-down');
  const state = icon('circle-outline');
  const name = element('span', { className: 'task-name' });
  const count = element('span', { className: 'task-lines quiet' });
  const fill = element('span', { className: 'bar-fill' });
  const bar = element('span', { className: 'task-bar bar', attributes: { 'aria-hidden': 'true' } }, [fill]);
  const amounts = element('span', { className: 'task-amounts quiet' });
  const inside = element('div', { className: 'task' }, [twistie, state, name, count, bar, amounts]);
  const row = element('div', { className: 'row', attributes: { role: 'treeitem', 'aria-level': '1' } }, [
    inside,
  ]);
  return {
    element: row,
    update(data, task, live) {
      const title = data.name === noTask ? 'General' : data.name;
      setText(name, title);
      twistie.style.visibility = data.lines > 0 ? 'visible' : 'hidden';
      changeIcon(twistie, data.expanded ? 'chevron-down' : 'chevron-right');
      const still = task?.state === 'running' && !live;
      changeIcon(state, task === undefined ? 'layers' : still ? 'circle-outline' : taskIcons[task.state]);
      state.dataset['state'] = task?.state ?? 'none';
      inside.dataset['state'] = task?.state ?? 'none';
      setText(
        count,
        data.lines === 0 ? '' : data.lines === 1 ? '1 line' : `${data.lines.toLocaleString()} lines`,
      );
      const progress = task?.state === 'running' ? task.progress : null;
      bar.hidden = progress === null;
      fill.style.width = `${(progress ?? 0) * 100}%`;
      const texts = task === undefined ? [] : taskAmounts(task, now(), live);
      setText(amounts, texts.join(' · '));
      const said = [title, task === undefined ? '' : taskStateTexts[task.state], ...texts, count.textContent];
      row.setAttribute('aria-label', said.filter((part) => part !== '').join(', '));
      if (data.lines > 0) row.setAttribute('aria-expanded', String(data.expanded));
      else row.removeAttribute('aria-expanded');
      row.setAttribute('aria-posinset', String(data.position));
      row.setAttribute('aria-setsize', String(data.of));
    },
  };
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hourCycle: 'h23',
});

/** The text with what was searched for marked. */
function marked(text: string, search: string): (HTMLElement | string)[] {
  if (search === '') return [text];
  const parts: (HTMLElement | string)[] = [];
  const lower = text.toLowerCase();
  const needle = search.toLowerCase();
  // Where lower case has another length (e.g. "İ") the places do not agree: show the text unmarked.
  if (lower.length !== text.length) return [text];
  let from = 0;
  for (let at = lower.indexOf(needle); at >= 0 && parts.length < 200; at = lower.indexOf(needle, from)) {
    parts.push(text.slice(from, at), element('mark', { text: text.slice(at, at + needle.length) }));
    from = at + needle.length;
  }
  return [...parts, text.slice(from)];
}

function lineRow(log: JobLog, row: Extract<Row, { kind: 'line' }>): HTMLElement {
  const line = log.line(row.serial);
  // One row is one line high: what breaks it is shown as a sign, and copied as it was.
  const text = line.text.replace(/\r?\n|\r/g, ' ⏎ ').slice(0, longestDrawn);
  const level = line.level === 'info' ? element('span', { className: 'icon' }) : icon(levelIcons[line.level]);
  const spoken = line.level === 'info' ? text : `${line.level}: ${text}`;
  return element(
    'div',
    {
      className: `row line ${line.level}`,
      attributes: {
        role: 'treeitem',
        'aria-level': '2',
        'aria-label': spoken,
        'aria-posinset': String(row.position),
        'aria-setsize': String(row.of),
      },
    },
    [
      element('span', { className: 'line-number', text: String(line.line) }),
      element('span', { className: 'line-time', text: clock.format(line.at) }),
      level,
      element('span', { className: 'line-text' }, marked(text, log.filter.search)),
    ],
  );
}

export function createLogView({ log, now, onDraw, onCopyLine }: LogViewOptions): LogView {
  const rowsElement = element('div', { className: 'rows', attributes: { role: 'presentation' } });
  const layer = element('div', { className: 'layer', attributes: { role: 'presentation' } }, [rowsElement]);
  const content = element('div', { className: 'content', attributes: { role: 'presentation' } }, [layer]);
  const scroller = element(
    'div',
    { className: 'log', attributes: { role: 'tree', tabindex: '0', 'aria-label': 'Tasks and log lines' } },
    [content],
  );

  let tasks = new Map<string, PageTask>();
  let running: ReadonlySet<string> = new Set<string>();
  let live = false;
  let following = false;
  let waitingFor: number | undefined;
  let active: Active | undefined;
  let frame: number | undefined;
  /** Where we scrolled to ourselves: its event is not the reader's doing. */
  let ownScrollTop: number | undefined;
  const headings = new Map<string, Heading>();
  let drawn = new Map<string, HTMLElement>();
  let drawnSearch = '';

  const viewport = (): Viewport => ({ rows: log.rows, rowHeight, height: scroller.clientHeight });

  const scrollTo = (top: number): void => {
    if (Math.abs(scroller.scrollTop - top) < 1) return;
    scroller.scrollTop = top;
    ownScrollTop = scroller.scrollTop;
  };

  const idOf = (row: Row): string => (row.kind === 'group' ? `task ${row.name}` : `line ${row.serial}`);
  const activeRow = (): number | undefined => {
    if (active === undefined) return undefined;
    return active.kind === 'group' ? log.rowOfGroup(active.name) : log.rowOfSerial(active.serial);
  };
  const activate = (index: number, reveal = true): void => {
    const rows = log.rows;
    if (rows === 0) return;
    const row = log.row(Math.min(Math.max(0, index), rows - 1));
    active = row.kind === 'group' ? { kind: 'group', name: row.name } : { kind: 'line', serial: row.serial };
    if (reveal) {
      // Whoever reads a line above the end wants it to stay.
      following = live && index >= (log.tailRow(running) ?? 0);
      scrollTo(scrollTopToReveal(viewport(), Math.min(Math.max(0, index), rows - 1), scroller.scrollTop));
    }
    refresh();
  };

  const tailInSight = (): boolean => {
    const tail = log.tailRow(running);
    if (tail === undefined) return true;
    const view = viewport();
    return scrollTopToReveal(view, tail, scroller.scrollTop) === scroller.scrollTop;
  };

  const draw = (): void => {
    frame = undefined;
    const view = viewport();
    content.style.height = `${Math.max(contentHeight(view), 1)}px`;
    layer.style.height = `${view.height}px`;
    scroller.style.setProperty('--seen-width', `${scroller.clientWidth}px`);
    if (waitingFor !== undefined) {
      const row = log.rowOfLine(waitingFor);
      if (row !== undefined) {
        scrollTo(scrollTopFor(view, row, 'top'));
        waitingFor = undefined;
      }
    } else if (following) {
      const tail = log.tailRow(running);
      if (tail !== undefined) scrollTo(scrollTopFor(view, tail, 'bottom'));
    }

    const { first, end, offset } = rowWindow(view, scroller.scrollTop);
    rowsElement.style.transform = `translateY(${offset}px)`;
    const selected = activeRow();
    const fresh = new Map<string, HTMLElement>();
    const reusable = drawnSearch === log.filter.search;
    drawnSearch = log.filter.search;
    const wanted: HTMLElement[] = [];
    for (let index = first; index < end; index++) {
      const row = log.row(index);
      const id = idOf(row);
      let node: HTMLElement;
      if (row.kind === 'group') {
        let group = headings.get(row.name);
        if (group === undefined) {
          group = heading(now);
          headings.set(row.name, group);
        }
        group.update(row, tasks.get(row.name), live);
        node = group.element;
      } else {
        node = (reusable ? drawn.get(id) : undefined) ?? lineRow(log, row);
        if (node.getAttribute('aria-setsize') !== String(row.of)) {
          node.setAttribute('aria-setsize', String(row.of));
        }
      }
      node.id = id;
      node.dataset['row'] = String(index);
      node.classList.toggle('active', index === selected);
      fresh.set(id, node);
      wanted.push(node);
    }
    for (const [id, node] of drawn) if (fresh.get(id) !== node) node.remove();
    // Nodes that stay are not moved: a selection of text in them lives on.
    let next: ChildNode | null = rowsElement.firstChild;
    for (const node of wanted) {
      if (node === next) next = next.nextSibling;
      else rowsElement.insertBefore(node, next);
    }
    drawn = fresh;
    const activeId = selected === undefined ? undefined : idOf(log.row(selected));
    if (activeId !== undefined && fresh.has(activeId))
      scroller.setAttribute('aria-activedescendant', activeId);
    else scroller.removeAttribute('aria-activedescendant');
    onDraw();
  };

  const refresh = (): void => {
    frame ??= requestAnimationFrame(draw);
  };

  const setExpanded = (name: string, expanded: boolean): void => {
    log.setExpanded(name, expanded);
    refresh();
  };

  const onKey = (event: KeyboardEvent): void => {
    const at = activeRow();
    const row = at === undefined ? undefined : log.row(at);
    if ((event.ctrlKey || event.metaKey) && event.key === 'c') {
      const nothingSelected = document.getSelection()?.isCollapsed ?? true;
      if (row?.kind !== 'line' || !nothingSelected) return;
      onCopyLine(log.line(row.serial).text);
    } else if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else {
      const page = Math.max(1, Math.floor(scroller.clientHeight / rowHeight) - 1);
      const from = at ?? topRow(viewport(), scroller.scrollTop) - 1;
      switch (event.key) {
        case 'ArrowDown':
          activate(from + 1);
          break;
        case 'ArrowUp':
          activate(from - 1);
          break;
        case 'PageDown':
          activate(from + page);
          break;
        case 'PageUp':
          activate(from - page);
          break;
        case 'Home':
          activate(0);
          break;
        case 'End':
          activate(log.rows - 1);
          break;
        case 'Enter':
        case ' ':
          if (row?.kind !== 'group') return;
          setExpanded(row.name, !row.expanded);
          break;
        case 'ArrowRight':
          if (row?.kind !== 'group' || at === undefined) return;
          if (!row.expanded) setExpanded(row.name, true);
          else if (row.lines > 0) activate(at + 1);
          break;
        case 'ArrowLeft':
          if (row?.kind === 'group') setExpanded(row.name, false);
          else if (row !== undefined && at !== undefined) activate(at - row.position);
          break;
        default:
          return;
      }
    }
    event.preventDefault();
  };

  scroller.addEventListener('keydown', onKey);
  scroller.addEventListener('focus', () => {
    if (activeRow() === undefined) activate(topRow(viewport(), scroller.scrollTop), false);
  });
  scroller.addEventListener('click', (event) => {
    if (!(event.target instanceof Element)) return;
    const index = Number(event.target.closest<HTMLElement>('.row')?.dataset['row'] ?? -1);
    if (index < 0 || index >= log.rows) return;
    activate(index, false);
    const row = log.row(index);
    if (row.kind === 'group' && row.lines > 0) setExpanded(row.name, !row.expanded);
  });
  scroller.addEventListener('scroll', () => {
    const own = ownScrollTop !== undefined && Math.abs(scroller.scrollTop - ownScrollTop) < 1;
    ownScrollTop = undefined;
    if (!own) {
      waitingFor = undefined;
      // A log that shrinks to nothing (a new filter is at work) moves the view, too: that is not the reader's wish.
      if (log.tailRow(running) !== undefined) following = live && tailInSight();
    }
    refresh();
  });
  new ResizeObserver(refresh).observe(scroller);

  return {
    element: scroller,
    refresh,
    setTasks(next, isLive) {
      tasks = new Map(next.map((task) => [task.name, task]));
      running = new Set(next.filter((task) => task.state === 'running').map((task) => task.name));
      live = isLive;
      refresh();
    },
    get following() {
      return following;
    },
    set following(value) {
      following = value;
      refresh();
    },
    followEnd() {
      waitingFor = undefined;
      following = live;
      const tail = log.tailRow(running);
      if (tail !== undefined) scrollTo(scrollTopFor(viewport(), tail, 'bottom'));
      refresh();
    },
    get endOutOfSight() {
      return !tailInSight();
    },
    get topLine() {
      if (waitingFor !== undefined) return waitingFor;
      return scroller.scrollTop < 1 ? 0 : (log.lineAtRow(topRow(viewport(), scroller.scrollTop)) ?? 0);
    },
    restoreTop(line) {
      waitingFor = line;
      refresh();
    },
    focus: () => scroller.focus(),
  };
}
