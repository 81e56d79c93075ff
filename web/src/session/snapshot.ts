import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Gap } from "../gen/meshwright/v1/agent_service_pb";
import { type Message, Role } from "../gen/meshwright/v1/event_pb";
import { type Run as RunMessage, RunState } from "../gen/meshwright/v1/run_pb";
import { newRun } from "./run";
import { answerOf } from "./said";
import type { Run, RunPhase, SessionState } from "./state";

const PHASES: Record<RunState, RunPhase> = {
  [RunState.UNSPECIFIED]: "queued",
  [RunState.QUEUED]: "queued",
  [RunState.ACTIVE]: "active",
  [RunState.FINISHED]: "finished",
};

/**
 * The state after a gap: what the snapshot tells stands for the events that are gone, and the events that are still kept are
 * applied on top of it.
 */
export function stateAfterGap(state: SessionState, gap: Gap): SessionState {
  const runs = (gap.snapshot?.runs ?? []).map(runOf);
  const messages = gap.snapshot?.messages ?? [];
  return {
    sessionId: state.sessionId,
    cursor: gap.firstAvailableSequence > 0n ? gap.firstAvailableSequence - 1n : gap.afterSequence,
    anchored: false,
    runs,
    earlier: messages.filter((message) => !runs.some((run) => tells(run, message))),
    trimmed: true,
  };
}

function runOf(run: RunMessage): Run {
  return {
    ...newRun(run.runId),
    task: run.spec?.task ?? "",
    parentRunId: run.parentRunId,
    phase: PHASES[run.state],
    outcome: run.outcome,
    error: run.error,
    attempt: run.attempt,
    queuedAt: run.createTime && timestampMs(run.createTime),
    startedAt: run.startTime && timestampMs(run.startTime),
    durationMs: run.startTime && run.finishTime && timestampMs(run.finishTime) - timestampMs(run.startTime),
    usage: run.usage,
    entries: run.answer === "" ? [] : [answerOf(run.runId, run.answer)],
  };
}

function tells(run: Run, message: Message): boolean {
  if (message.role === Role.USER) {
    return message.text === run.task;
  }
  return run.entries.some((entry) => entry.kind === "said" && entry.text === message.text);
}
