import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import type { ToolCallFinished, ToolCallStarted } from "../gen/meshwright/v1/event_pb";
import type { ToolProgress } from "../gen/meshwright/v1/tool_pb";
import { withEntry } from "./said";
import type { Call, Progress, Run, Step } from "./state";

/** How much of a running call's output is kept, in characters: its end. */
const KEPT_OUTPUT = 16_384;

/** A call began, or began again after a takeover. */
export function startCall(run: Run, started: ToolCallStarted, at: number): Run {
  const call: Call = {
    callId: started.callId,
    tool: started.tool,
    arguments: started.arguments ?? {},
    attempt: started.attempt,
    startedAt: at,
    progress: undefined,
    end: undefined,
    artifacts: [],
  };
  if (findCall(run, call.callId)) {
    return changeCall(run, call.callId, ({ artifacts }) => ({ ...call, artifacts }));
  }
  const index = run.entries.findLastIndex((entry) => entry.kind === "step" && entry.step === started.step);
  const step = run.entries[index];
  if (step?.kind === "step") {
    return withEntry(run, index, { ...step, calls: [...step.calls, call] });
  }
  const added: Step = { kind: "step", key: `step-${started.step}`, step: started.step, calls: [call] };
  return { ...run, entries: [...run.entries, added] };
}

/** A call told what it is doing. */
export function progressCall(run: Run, callId: string, news: ToolProgress): Run {
  return changeCall(run, callId, (call) => ({ ...call, progress: progressAfter(call.progress, news) }));
}

/** A call ended. */
export function finishCall(run: Run, finished: ToolCallFinished, at: number): Run {
  const { completion } = finished;
  return changeCall(run, finished.callId, (call) => ({
    ...call,
    end: {
      outcome: completion?.outcome ?? 0,
      result: completion?.result,
      error: completion?.error,
      finishedAt: at,
      durationMs: completion?.duration ? durationMs(completion.duration) : Math.max(0, at - call.startedAt),
    },
    artifacts: withArtifacts(call.artifacts, completion?.result?.artifacts ?? []),
  }));
}

/** A file was made: by the call, or by none that is known. */
export function addArtifact(run: Run, callId: string, artifact: Artifact): Run {
  if (callId !== "" && findCall(run, callId)) {
    return changeCall(run, callId, (call) => ({ ...call, artifacts: withArtifacts(call.artifacts, [artifact]) }));
  }
  const last = run.entries.at(-1);
  if (last?.kind === "files") {
    return withEntry(run, run.entries.length - 1, { ...last, artifacts: withArtifacts(last.artifacts, [artifact]) });
  }
  return {
    ...run,
    entries: [...run.entries, { kind: "files", key: `files-${artifact.artifactId}`, artifacts: [artifact] }],
  };
}

/** How many calls the run has made. */
export function countCalls(run: Run): number {
  return run.entries.reduce((count, entry) => count + (entry.kind === "step" ? entry.calls.length : 0), 0);
}

/** The files with `added` behind them. Of one that is there twice, the one with its content stays. */
function withArtifacts(artifacts: readonly Artifact[], added: readonly Artifact[]): readonly Artifact[] {
  const fresh = added.filter((one) => !artifacts.some((it) => it.artifactId === one.artifactId));
  return fresh.length === 0 ? artifacts : [...artifacts, ...fresh];
}

function progressAfter(before: Progress | undefined, news: ToolProgress): Progress {
  return {
    message: news.message || (before?.message ?? ""),
    fraction: news.fraction ?? before?.fraction,
    output: ((before?.output ?? "") + news.output).slice(-KEPT_OUTPUT),
  };
}

function findCall(run: Run, callId: string): boolean {
  return run.entries.some((entry) => entry.kind === "step" && entry.calls.some((call) => call.callId === callId));
}

/** The run with one of its calls changed; the run itself where it has no such call. */
function changeCall(run: Run, callId: string, change: (call: Call) => Call): Run {
  for (let index = run.entries.length - 1; index >= 0; index--) {
    const entry = run.entries[index];
    const at = entry?.kind === "step" ? entry.calls.findIndex((call) => call.callId === callId) : -1;
    const call = entry?.kind === "step" ? entry.calls[at] : undefined;
    if (entry?.kind === "step" && call) {
      return withEntry(run, index, { ...entry, calls: entry.calls.with(at, change(call)) });
    }
  }
  return run;
}
