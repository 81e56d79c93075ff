import { type Event, Role } from "../src/gen/meshwright/v1/event_pb";
import { RunOutcome } from "../src/gen/meshwright/v1/run_pb";
import { ToolOutcome } from "../src/gen/meshwright/v1/tool_pb";
import type { Call, Run, SessionState, Step } from "../src/session/state";
import { type EventKind, EventLog } from "./mesh/log";

/** A time at which test logs begin, in milliseconds. */
export const T0 = 1_790_000_000_000;

/** Events of one run `r1`, 10 ms apart, sequences from 1. */
export function eventsOf(...kinds: EventKind[]): Event[] {
  const log = new EventLog("ses_1");
  for (const [index, kind] of kinds.entries()) {
    log.append("r1", kind, T0 + index * 10);
  }
  return log.events;
}

export const queued = (task: string): EventKind => ({ case: "runQueued", value: { spec: { task } } });
export const started: EventKind = { case: "runStarted", value: { attempt: 1, model: "offline" } };
export const text = (messageId: string, piece: string): EventKind => ({
  case: "textDelta",
  value: { messageId, text: piece },
});
export const reasoning = (messageId: string, piece: string): EventKind => ({
  case: "reasoningDelta",
  value: { messageId, text: piece },
});
export const said = (messageId: string, whole: string, step = 1): EventKind => ({
  case: "message",
  value: { messageId, role: Role.AGENT, text: whole, step },
});
export const userSaid = (messageId: string, whole: string): EventKind => ({
  case: "message",
  value: { messageId, role: Role.USER, text: whole },
});
export const callStarted = (callId: string, step = 1, tool = "file.read"): EventKind => ({
  case: "toolCallStarted",
  value: { callId, tool, arguments: { path: "notes.md" }, step, attempt: 1 },
});
export const callFinished = (callId: string, outcome = ToolOutcome.SUCCEEDED): EventKind => ({
  case: "toolCallFinished",
  value: { callId, tool: "file.read", completion: { outcome, result: { text: "found" } } },
});
export const finished = (outcome = RunOutcome.COMPLETED, answer = ""): EventKind => ({
  case: "runFinished",
  value: { outcome, answer },
});

/** The only run of a state. */
export function onlyRun(state: SessionState): Run {
  const [run, ...others] = state.runs;
  if (!run || others.length > 0) {
    throw new Error(`one run expected, not ${state.runs.length}`);
  }
  return run;
}

/** The steps of a run. */
export function stepsOf(run: Run): readonly Step[] {
  return run.entries.filter((entry) => entry.kind === "step");
}

/** All calls of a run. */
export function callsOf(run: Run): readonly Call[] {
  return stepsOf(run).flatMap((step) => step.calls);
}

/** Who said what in a run. */
export function saidIn(run: Run): string[] {
  return run.entries.flatMap((entry) => (entry.kind === "said" ? [`${entry.by}: ${entry.text}`] : []));
}
