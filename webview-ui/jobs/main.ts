/** The job page: shows one job with its tasks and its log, live. */
import './job.css';
import { percentText } from '../shared/amounts.ts';
import { element, setText } from '../shared/element.ts';
import { connectToHost } from '../shared/host.ts';
import { changeIcon, icon, type IconName } from '../shared/icons.ts';
import { button, progressRing, registerComponents, textField } from '../toolkit.ts';
import { createJobLog } from './jobLog.ts';
import {
  announcement,
  banners,
  canCancel,
  canRetry,
  initialState,
  isLive,
  jobStateTexts,
  reduce,
  spentText,
  type Banner,
} from './jobState.ts';
import { createLogView } from './logView.ts';
import {
  levels,
  pageStateSchema,
  toPageSchema,
  type FromPage,
  type Level,
  type PageJob,
  type PageState,
  type ToPage,
} from './messages.ts';

const tickMs = 500;
const saveAfterMs = 250;
/** Work on a new filter between two frames. */
const scanBudgetMs = 8;
/** What one press of "Copy" puts in the clipboard at most. */
const longestCopy = 20_000_000;

const now = (): number => Date.now();
const jobId = document.body.dataset['job'] ?? '';
registerComponents();

const host = connectToHost<ToPage, FromPage, PageState>({
  incoming: toPageSchema,
  state: pageStateSchema,
  onMessage: (message) => take(message),
  dropped: (count) => ({ kind: 'dropped', count }),
});
const restored = host.restored?.job === jobId ? host.restored : undefined;

const log = createJobLog();
let state = initialState(restored?.last ?? null);
/** Whether to follow the end is decided when the job is first seen: a running one is followed. */
let placed = restored !== undefined;

// Heading
const stateIcon = icon('clock');
const ring = progressRing('Running');
const title = element('h1', { text: 'Job' });
const cancel = button({
  label: 'Cancel Job',
  look: 'secondary',
  onPress: () => {
    cancel.setDisabled(true);
    host.send({ kind: 'cancel' });
  },
});
const retry = button({
  label: 'Retry',
  look: 'primary',
  onPress: () => {
    host.send({ kind: 'retry' });
  },
});
const status = element('span', { className: 'status' });
const facts = element('span', { className: 'facts quiet' });
const percent = element('span', { className: 'percent quiet' });
const barFill = element('div', { className: 'bar-fill' });
const bar = element(
  'div',
  {
    className: 'bar job-bar',
    attributes: {
      role: 'progressbar',
      'aria-label': 'Progress',
      'aria-valuemin': '0',
      'aria-valuemax': '100',
    },
  },
  [barFill],
);
const progress = element('div', { className: 'progress' }, [bar, percent]);
const spoken = element('div', {
  className: 'for-screen-readers',
  attributes: { role: 'status', 'aria-live': 'polite' },
});
const notices = element('div', { className: 'notices' });

// Toolbar
const search = textField({
  label: 'Search the log',
  placeholder: 'Search the log',
  icon: 'search',
  onInput: () => applyFilter(),
});
const levelTexts: Record<Level, string> = {
  info: 'All lines',
  warning: 'Warnings and errors',
  error: 'Errors',
};
const level = element(
  'select',
  { attributes: { 'aria-label': 'Lines to show' } },
  levels.map((value) => element('option', { text: levelTexts[value], attributes: { value } })),
);
level.addEventListener('change', () => applyFilter());
const amount = element('span', { className: 'amount quiet', attributes: { role: 'status' } });
const copy = button({
  label: 'Copy Log',
  look: 'icon',
  icon: 'copy',
  onPress: () => {
    const { text, lines, leftOut } = log.text(longestCopy);
    const note = leftOut === 0 ? '' : `(${leftOut.toLocaleString()} earlier lines are left out)\n`;
    host.send({ kind: 'copy', text: `${note}${text}`, lines });
  },
});

const view = createLogView({
  log,
  now,
  onDraw: () => {
    showAmount();
    jump.element.hidden = !view.endOutOfSight;
    saveSoon();
  },
  onCopyLine: (text) => host.send({ kind: 'copy', text, lines: 1 }),
});
const jump = button({
  label: 'Jump to End',
  look: 'secondary',
  icon: 'arrow-down',
  onPress: () => {
    view.followEnd();
    view.focus();
  },
});
jump.element.classList.add('jump');
jump.element.hidden = true;
const empty = element('p', { className: 'empty quiet' });

const main = element('main', { className: 'page' }, [
  element('header', {}, [
    element('div', { className: 'title' }, [
      element('span', { className: 'state' }, [stateIcon, ring]),
      title,
      cancel.element,
      retry.element,
    ]),
    element('div', { className: 'about' }, [status, facts]),
    progress,
    spoken,
    notices,
  ]),
  element('div', { className: 'toolbar', attributes: { role: 'toolbar', 'aria-label': 'Log' } }, [
    search.element,
    level,
    amount,
    copy.element,
  ]),
  element('div', { className: 'log-area' }, [view.element, empty, jump.element]),
]);
document.body.append(main);

const stateIcons: Record<PageJob['state'], IconName> = {
  queued: 'clock',
  running: 'loading',
  succeeded: 'pass',
  failed: 'error',
  cancelled: 'circle-slash',
};

function showHeading(): void {
  const { job } = state;
  const live = isLive(state);
  const text = job?.title ?? (state.connection === 'disconnected' || state.gone ? 'Job' : 'Loading the job…');
  setText(title, text);
  const jobState = job?.state ?? 'queued';
  const still = document.body.classList.contains('vscode-reduce-motion');
  const spinning = jobState === 'running' && live && !still;
  ring.hidden = !spinning;
  stateIcon.hidden = spinning;
  // Nothing turns while nothing is known to move.
  changeIcon(stateIcon, jobState === 'running' && !live ? 'circle-outline' : stateIcons[jobState]);
  stateIcon.dataset['state'] = jobState;
  setText(status, job === null ? '' : jobStateTexts[job.state]);
  status.dataset['state'] = jobState;
  if (job === null) {
    setText(facts, '');
  } else {
    const time = live || job.endedAt !== null ? spentText(job, now()) : null;
    const parts = [
      time,
      job.environment === null ? null : `environment ${job.environment}`,
      `by ${job.createdBy}`,
      new Date(job.createdAt).toLocaleString(),
    ];
    setText(facts, parts.filter((part) => part !== null).join('  ·  '));
  }
  const unfinished = job?.endedAt === null && job.state !== 'queued';
  progress.hidden = !unfinished;
  if (job !== null) {
    const share = percentText(job.progress);
    barFill.style.width = `${job.progress * 100}%`;
    bar.setAttribute('aria-valuenow', String(Math.floor(job.progress * 100)));
    setText(percent, share);
  }
  cancel.element.hidden = !canCancel(state);
  retry.element.hidden = !canRetry(state);
  setText(spoken, announcement(state, now()));
}

function notice(banner: Banner): HTMLElement {
  const symbol = icon(banner.tone);
  const message = element('div', { className: 'notice-text' }, [
    element('div', { className: 'notice-message', text: banner.message }),
    ...(banner.next === '' ? [] : [element('div', { className: 'notice-next', text: banner.next })]),
  ]);
  const box = element('div', { className: `notice ${banner.tone}` }, [symbol, message]);
  box.setAttribute('role', banner.tone === 'error' ? 'alert' : 'status');
  if (banner.connect) {
    const connect = button({
      label: 'Connect',
      look: 'secondary',
      onPress: () => host.send({ kind: 'connect' }),
    });
    box.append(connect.element);
  }
  return box;
}

let noticesShown = '';
function showNotices(): void {
  const wanted = banners(state);
  const text = JSON.stringify(wanted);
  // Made anew only when they change: they are read aloud.
  if (text === noticesShown) return;
  noticesShown = text;
  notices.replaceChildren(...wanted.map(notice));
}

function showAmount(): void {
  const { search: searched, level: lowest } = log.filter;
  const filtered = searched !== '' || lowest !== 'info';
  const count = (lines: number): string => (lines === 1 ? '1 line' : `${lines.toLocaleString()} lines`);
  const parts = filtered
    ? [`${log.shown.toLocaleString()} of ${count(log.lines)}`]
    : log.lines === 0
      ? []
      : [count(log.lines)];
  if (log.dropped > 0) parts.push(`the first ${log.dropped.toLocaleString()} are not kept here`);
  setText(amount, parts.join(', '));
  const nothing =
    log.lines > 0 && log.shown === 0 && !scanning
      ? 'No line fits the search.'
      : log.rows === 0 && state.job !== null
        ? 'No log lines yet.'
        : '';
  setText(empty, nothing);
  empty.hidden = nothing === '';
}

function show(): void {
  showHeading();
  showNotices();
  view.setTasks(state.job?.tasks ?? [], isLive(state));
}

let scanning = false;
function scanOn(): void {
  const until = performance.now() + scanBudgetMs;
  let more = true;
  while (more && performance.now() < until) more = log.scan(2000);
  scanning = more;
  view.refresh();
  if (more) requestAnimationFrame(scanOn);
}

function applyFilter(): void {
  log.setFilter({ search: search.value, level: levels.find((value) => value === level.value) ?? 'info' });
  if (!scanning) {
    scanning = true;
    requestAnimationFrame(scanOn);
  }
  view.refresh();
}

function take(message: ToPage): void {
  if (message.kind === 'lines') {
    log.append(message.lines);
    view.refresh();
    // The next ones may come when these are drawn: a flood of lines never keeps the page from answering its reader.
    requestAnimationFrame(() => host.send({ kind: 'took', through: log.lastLine }));
    return;
  }
  const wasEnded = state.job !== null && state.job.endedAt !== null;
  state = reduce(state, message);
  if (message.kind === 'job') {
    log.setTasks(message.job.tasks.map((task) => task.name));
    if (!placed) {
      placed = true;
      view.following = message.job.endedAt === null;
    }
    if (!wasEnded && message.job.endedAt !== null) clearInterval(ticking);
  }
  if (message.kind === 'refused' || message.kind === 'job') cancel.setDisabled(false);
  show();
  saveSoon();
}

let saving: ReturnType<typeof setTimeout> | undefined;
function save(): void {
  clearTimeout(saving);
  saving = undefined;
  const top = view.topLine;
  host.save({
    version: 1,
    job: jobId,
    collapsed: log.collapsed.slice(0, 1000),
    level: log.filter.level,
    search: log.filter.search,
    follow: view.following,
    top,
    last: state.job,
  });
  // Tells whoever looks from outside that a reload would come back here.
  main.dataset['savedTop'] = String(top);
}
function saveSoon(): void {
  saving ??= setTimeout(save, saveAfterMs);
}

const ticking = setInterval(() => {
  if (!isLive(state)) return;
  showHeading();
  view.refresh();
}, tickMs);

document.addEventListener('keydown', (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === 'f') {
    search.focus();
    event.preventDefault();
  }
});
window.addEventListener('pagehide', save);

if (restored !== undefined) {
  log.setCollapsed(restored.collapsed);
  search.value = restored.search;
  level.value = restored.level;
  log.setFilter({ search: restored.search, level: restored.level });
  if (restored.follow) view.following = true;
  else if (restored.top > 0) view.restoreTop(restored.top);
  if (state.job !== null) log.setTasks(state.job.tasks.map((task) => task.name));
}
show();
host.send({ kind: 'ready', through: 0 });
