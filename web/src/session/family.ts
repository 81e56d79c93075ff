import { ApprovalState } from "../gen/meshwright/v1/event_pb";
import type { Entry, Run } from "./state";

/** The tool by which a run gives a task to a sub-agent. */
export const DELEGATE = "agent.delegate";

/** The runs that nobody delegated: the tasks of the session. */
export function tasksOf(runs: readonly Run[]): readonly Run[] {
  return runs.filter((run) => run.parentRunId === "");
}

/** The run of the sub-agent that works on a call; undefined while it waits for its turn. */
export function subAgentOf(runs: readonly Run[], callId: string): Run | undefined {
  return runs.find((run) => run.parentRunId !== "" && run.parentCallId === callId);
}

/** Whether the run, or one that it delegated, waits for a person's answer. */
export function asksPerson(runs: readonly Run[], run: Run): boolean {
  return (
    run.entries.some(isPending) || runs.some((child) => child.parentRunId === run.runId && asksPerson(runs, child))
  );
}

function isPending(entry: Entry): boolean {
  return entry.kind === "question" && entry.state === ApprovalState.PENDING;
}

/** What a sub-agent does just now, in a few words; empty when it has ended. */
export function newsOf(run: Run): string {
  if (run.phase === "finished") {
    return "";
  }
  if (run.entries.some(isPending)) {
    return "waits for an answer";
  }
  const calls = run.entries.flatMap((entry) => (entry.kind === "step" ? entry.calls : []));
  const running = calls.filter((call) => !call.end).map((call) => call.tool);
  return running.join(", ") || (calls.length > 0 ? `thinking, after ${callsText(calls.length)}` : "thinking");
}

/** `1 tool call`, `2 tool calls`. */
export function callsText(count: number): string {
  return count === 1 ? "1 tool call" : `${count} tool calls`;
}
