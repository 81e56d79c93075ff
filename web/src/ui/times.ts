/** A length of time as people read it: `340 ms`, `1.2 s`, `2 min 5 s`, `1 h 12 min`. */
export function durationText(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < 999.5) {
    return `${Math.round(whole)} ms`;
  }
  if (whole < 59_950) {
    return `${(whole / 1000).toFixed(1)} s`;
  }
  const seconds = Math.round(whole / 1000);
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** The elapsed time of something that still runs: it has tenths from the beginning, so that it does not jump about. */
export function elapsedText(ms: number): string {
  return ms < 999.5 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : durationText(ms);
}

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 31_557_600_000],
  ["month", 2_629_800_000],
  ["week", 604_800_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** How long ago something was: `now`, `5 min. ago`, `yesterday`. */
export function agoText(thenMs: number, nowMs: number): string {
  const ago = nowMs - thenMs;
  const unit = UNITS.find(([, length]) => ago >= length);
  return unit ? RELATIVE.format(-Math.floor(ago / unit[1]), unit[0]) : "now";
}
