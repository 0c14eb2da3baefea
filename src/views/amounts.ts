/** Writes ages, times to come and sizes the way people read them in a narrow side bar. */

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

function span(ms: number): string {
  if (ms < minute) return 'moments';
  if (ms < hour) return `${Math.floor(ms / minute)} min`;
  if (ms < 2 * day) return `${Math.floor(ms / hour)} h`;
  return `${Math.floor(ms / day)} days`;
}

/** "just now", "5 min ago", "3 h ago", "12 days ago". */
export function ageOf(time: string, now: number): string {
  const ms = now - Date.parse(time);
  return ms < minute ? 'just now' : `${span(ms)} ago`;
}

/** "5 min", "3 h"; for what lies ahead: to the nearest, so that 8 hours are 8 hours also a moment later. */
export function timeUntil(time: string, now: number): string {
  const ms = Math.max(0, Date.parse(time) - now);
  const unit = ms < hour - minute / 2 ? minute : ms < 2 * day - hour / 2 ? hour : day;
  // A half goes down: nobody is promised more than there is.
  return span(Math.ceil(ms / unit - 0.5) * unit);
}

/** Decimal units as disks and PostgreSQL's people use them: "0 B", "512 kB", "1.2 MB", "842 MB", "3.1 GB". */
export function sizeOf(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let amount = bytes;
  let unit = 0;
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000;
    unit++;
  }
  const text = unit > 0 && amount < 9.95 ? amount.toFixed(1) : amount.toFixed(0);
  return `${text} ${units[unit] ?? ''}`;
}

/** "40 %" of a share between 0 and 1. */
export function percentOf(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

/** "1 clone", "2 clones", "no clones". */
export function countOf(count: number, noun: string): string {
  if (count === 0) return `no ${noun}s`;
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** "a, b, c", or "a, b, c and 28 more": dialogs are read, lists of names are not. */
export function someOf(names: readonly string[], atMost = 8): string {
  const more = names.length - atMost;
  return more <= 0 ? names.join(', ') : `${names.slice(0, atMost).join(', ')} and ${more} more`;
}

/** A moment as people write it: "14:05", "28 Nov, 14:05"; the year only where it is another one. */
export function momentOf(time: string, now: number): string {
  const at = new Date(time);
  const today = new Date(now);
  const isToday = at.toDateString() === today.toDateString();
  return at.toLocaleString(undefined, {
    ...(isToday ? {} : { day: 'numeric', month: 'short' }),
    ...(at.getFullYear() === today.getFullYear() ? {} : { year: 'numeric' }),
    ...{ hour: '2-digit', minute: '2-digit' },
  });
}

/** With the times that the engine writes (UTC, to the millisecond) as people write them. */
export const withLocalTimes = (text: string, now: number): string =>
  text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (time) => momentOf(time, now));
