import type { JsonObject } from "@bufbuild/protobuf";
import type { Status } from "../gen/google/rpc/status_pb";
import type { Artifact } from "../gen/meshwright/v1/artifact_pb";
import type { Approval, ApprovalState, Message, NoticeLevel } from "../gen/meshwright/v1/event_pb";
import type { RunOutcome, Usage } from "../gen/meshwright/v1/run_pb";
import type { ToolOutcome, ToolResult } from "../gen/meshwright/v1/tool_pb";
import { tasksOf } from "./family";

/** What a session's events amount to. Immutable: what did not change stays the same object, so that it is not drawn again. */
export interface SessionState {
  readonly sessionId: string;
  /** Sequence of the last event that was applied: the cursor for the next watch. */
  readonly cursor: bigint;
  /** False only right after a gap, when the next event may have any sequence after the cursor. */
  readonly anchored: boolean;
  /** Runs in the order in which they were accepted. */
  readonly runs: readonly Run[];
  /** What is still known of runs whose events were trimmed; empty unless there was a gap. */
  readonly earlier: readonly Message[];
  /** Events at the beginning of the session are gone. */
  readonly trimmed: boolean;
}

export type RunPhase = "queued" | "active" | "finished";

/** One task and all that the agent did for it. Times are milliseconds of the mesh's clock. */
export interface Run {
  readonly runId: string;
  readonly task: string;
  /** The message event that repeats the task; empty until it came. */
  readonly taskMessageId: string;
  /** The run that delegated this one, or empty. */
  readonly parentRunId: string;
  /** The call by which it was delegated, or empty. */
  readonly parentCallId: string;
  readonly phase: RunPhase;
  readonly outcome: RunOutcome;
  readonly error: Status | undefined;
  readonly model: string;
  /** More than 1 after a takeover. */
  readonly attempt: number;
  readonly queuedAt: number | undefined;
  readonly startedAt: number | undefined;
  readonly durationMs: number | undefined;
  readonly usage: Usage | undefined;
  readonly entries: readonly Entry[];
}

/** What a run shows, from top to bottom. */
export type Entry = Said | Step | Question | Input | Note | Files;

/** A message of the agent, or what a person said to a run at work. */
export interface Said {
  readonly kind: "said";
  readonly key: string;
  readonly by: "agent" | "user";
  readonly text: string;
  readonly reasoning: string;
  /** The message is whole; until then `text` grows. */
  readonly done: boolean;
  /** The model was cut short. */
  readonly partial: boolean;
}

/** The tool calls of one model step, which run side by side. */
export interface Step {
  readonly kind: "step";
  readonly key: string;
  readonly step: number;
  readonly calls: readonly Call[];
}

/** One tool call. Times are milliseconds of the mesh's clock. */
export interface Call {
  readonly callId: string;
  readonly tool: string;
  readonly arguments: JsonObject;
  /** More than 1 when it was repeated after a takeover. */
  readonly attempt: number;
  readonly startedAt: number;
  readonly progress: Progress | undefined;
  /** How it ended; undefined while it runs. */
  readonly end: CallEnd | undefined;
  readonly artifacts: readonly Artifact[];
}

/** The latest news of a running call. */
export interface Progress {
  readonly message: string;
  /** Done so far, 0 to 1. */
  readonly fraction: number | undefined;
  /** The end of what it has put out. */
  readonly output: string;
}

/** How a call ended. */
export interface CallEnd {
  readonly outcome: ToolOutcome;
  readonly result: ToolResult | undefined;
  readonly error: Status | undefined;
  readonly finishedAt: number;
  readonly durationMs: number;
}

/** A question to a person: may this call be made? */
export interface Question {
  readonly kind: "question";
  /** The approval's id. */
  readonly key: string;
  readonly approval: Approval;
  readonly state: ApprovalState;
}

/** What a person said to the run at work, until the model has it: then it is a message like any other. */
export interface Input {
  readonly kind: "input";
  readonly key: string;
  readonly text: string;
  /** It came back: the run ended before it could be applied. */
  readonly returned: Status | undefined;
}

/** Something worth telling, such as a retry. */
export interface Note {
  readonly kind: "note";
  readonly key: string;
  readonly level: NoticeLevel;
  readonly text: string;
  readonly cause: Status | undefined;
}

/** Files that belong to no tool call. */
export interface Files {
  readonly kind: "files";
  readonly key: string;
  readonly artifacts: readonly Artifact[];
}

/** A session of which nothing was read yet. */
export function emptySession(sessionId: string): SessionState {
  return { sessionId, cursor: 0n, anchored: true, runs: [], earlier: [], trimmed: false };
}

/** The task at work, if there is one. */
export function activeRun(state: SessionState): Run | undefined {
  return tasksOf(state.runs).find((run) => run.phase === "active");
}
