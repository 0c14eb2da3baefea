/** Durations and shares as pages show them. */

/** "240 ms", "4.2 s", "3:07", "1:02:07": exact enough to watch it tick. */
export function durationText(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = `${Math.floor(seconds / 60) % 60}:${two(seconds % 60)}`;
  return seconds < 3600 ? clock : `${Math.floor(seconds / 3600)}:${clock.padStart(5, '0')}`;
}

/** As `durationText`, in whole seconds while something runs: tenths that jump are a nuisance. */
export function tickingText(ms: number): string {
  return ms < 59_950 ? `${Math.max(0, Math.floor(ms / 1000))} s` : durationText(ms);
}

/** "42 %"; 100 only when it is done. */
export function percentText(share: number): string {
  return `${Math.floor(share * 100)} %`;
}
