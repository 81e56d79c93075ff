import type { Event } from "../gen/meshwright/v1/event_pb";
import { applyToRun, newRun } from "./run";
import type { SessionState } from "./state";

/** What applying events gave. */
export interface Reduced {
  readonly state: SessionState;
  /** An event is missing: nothing from there on was applied, and the session is to be watched anew from `state.cursor`. */
  readonly missing: boolean;
}

/**
 * The state after more events of the log. Events that were applied before are ignored, so that any overlap between two watches
 * is harmless, and a hole in the sequences is never passed over.
 */
export function reduce(state: SessionState, events: Iterable<Event>): Reduced {
  let current = state;
  for (const event of events) {
    if (event.sequence <= current.cursor) {
      continue;
    }
    if (current.anchored && event.sequence !== current.cursor + 1n) {
      return { state: current, missing: true };
    }
    current = { ...apply(current, event), cursor: event.sequence, anchored: true };
  }
  return { state: current, missing: false };
}

function apply(state: SessionState, event: Event): SessionState {
  if (event.runId === "") {
    return state;
  }
  const index = state.runs.findLastIndex((run) => run.runId === event.runId);
  const before = state.runs[index] ?? newRun(event.runId);
  const run = applyToRun(before, event);
  if (run === before) {
    return state;
  }
  const runs = index === -1 ? [...state.runs, run] : state.runs.with(index, run);
  return { ...state, runs, earlier: withoutTold(state.earlier, event) };
}

/** Messages of a snapshot go as soon as their own events come. */
function withoutTold(earlier: SessionState["earlier"], { kind }: Event): SessionState["earlier"] {
  if (earlier.length === 0 || kind.case !== "message") {
    return earlier;
  }
  return earlier.filter((message) => message.messageId !== kind.value.messageId);
}
