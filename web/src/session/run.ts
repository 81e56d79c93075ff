import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Event, RunFinished } from "../gen/meshwright/v1/event_pb";
import { RunOutcome } from "../gen/meshwright/v1/run_pb";
import { addArtifact, finishCall, progressCall, startCall } from "./calls";
import { addReceipt } from "./inputs";
import { askPerson, settleQuestion } from "./questions";
import { addDelta, addMessage, closeMessages } from "./said";
import type { Run } from "./state";

/** A run of which nothing is known but its id. */
export function newRun(runId: string): Run {
  return {
    runId,
    task: "",
    taskMessageId: "",
    parentRunId: "",
    parentCallId: "",
    phase: "queued",
    outcome: RunOutcome.UNSPECIFIED,
    error: undefined,
    model: "",
    attempt: 1,
    queuedAt: undefined,
    startedAt: undefined,
    durationMs: undefined,
    usage: undefined,
    entries: [],
  };
}

/** The run after one more of its events. A kind that this page does not know changes nothing. */
export function applyToRun(run: Run, event: Event): Run {
  const at = event.time ? timestampMs(event.time) : 0;
  const { kind } = event;
  switch (kind.case) {
    case "runQueued": {
      const { spec, parentRunId, parentCallId } = kind.value;
      return { ...run, task: spec?.task ?? run.task, parentRunId, parentCallId, queuedAt: at };
    }
    case "runStarted": {
      const { attempt, model } = kind.value;
      return { ...run, phase: "active", attempt, model, startedAt: run.startedAt ?? at };
    }
    case "runFinished":
      return finishRun(run, kind.value, at);
    case "message":
      return addMessage(run, kind.value);
    case "textDelta":
      return addDelta(run, kind.value.messageId, "text", kind.value.text);
    case "reasoningDelta":
      return addDelta(run, kind.value.messageId, "reasoning", kind.value.text);
    case "toolCallStarted":
      return startCall(run, kind.value, at);
    case "toolCallProgress":
      return kind.value.progress ? progressCall(run, kind.value.callId, kind.value.progress) : run;
    case "toolCallFinished":
      return finishCall(run, kind.value, at);
    case "approvalRequested":
      return kind.value.approval ? askPerson(run, kind.value.approval) : run;
    case "approvalResolved":
      return settleQuestion(run, kind.value.approvalId, kind.value.state);
    case "steeringReceipt":
      return addReceipt(run, kind.value);
    case "artifactAdded":
      return kind.value.artifact ? addArtifact(run, kind.value.callId, kind.value.artifact) : run;
    case "notice": {
      const { level, text, cause } = kind.value;
      return { ...run, entries: [...run.entries, { kind: "note", key: `note-${event.sequence}`, level, text, cause }] };
    }
    default:
      return run;
  }
}

function finishRun(run: Run, finished: RunFinished, at: number): Run {
  const { outcome, error, usage, answer, duration } = finished;
  return {
    ...closeMessages(run, outcome === RunOutcome.COMPLETED ? answer : ""),
    phase: "finished",
    outcome,
    error,
    usage,
    durationMs: duration ? durationMs(duration) : run.startedAt && at - run.startedAt,
  };
}
