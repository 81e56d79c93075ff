import type { Call } from "../session/state";

/** A span of time, in milliseconds of the mesh's clock. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A bar in its track, in parts of the track's width. */
export interface Bar {
  readonly left: number;
  readonly width: number;
}

/** The narrowest bar that is still seen. */
const NARROWEST = 0.012;

/** When a call began and ended, or where it is at `now`. */
export function callSpan(call: Call, now: number): Span {
  const to = call.end ? call.startedAt + call.end.durationMs : now;
  return { from: call.startedAt, to: Math.max(call.startedAt, to) };
}

/** From the first beginning to the last end of calls that run side by side. */
export function spanOf(calls: readonly Call[], now: number): Span {
  const spans = calls.map((call) => callSpan(call, now));
  return { from: Math.min(...spans.map((span) => span.from)), to: Math.max(...spans.map((span) => span.to)) };
}

/** Where a call's bar lies in a track that stands for `whole`. */
export function barIn(whole: Span, call: Span): Bar {
  const length = Math.max(1, whole.to - whole.from);
  const left = Math.min(1 - NARROWEST, Math.max(0, (call.from - whole.from) / length));
  const width = Math.max(NARROWEST, (call.to - call.from) / length);
  return { left, width: Math.min(width, 1 - left) };
}

/** Whether any two of the calls overlap in time. */
export function overlap(calls: readonly Call[], now: number): boolean {
  const spans = calls.map((call) => callSpan(call, now)).sort((one, other) => one.from - other.from);
  return spans.some((span, index) => index > 0 && span.from < (spans[index - 1]?.to ?? 0));
}
