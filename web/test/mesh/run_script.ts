import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Status } from "../../src/gen/google/rpc/status_pb";
import type { ArtifactSchema } from "../../src/gen/meshwright/v1/artifact_pb";
import { ApprovalState, type NoticeLevel, Role, SteeringState } from "../../src/gen/meshwright/v1/event_pb";
import { RunOutcome, SteeringMode } from "../../src/gen/meshwright/v1/run_pb";
import { ToolOutcome } from "../../src/gen/meshwright/v1/tool_pb";
import { type EventKind, type EventLog, resolvers } from "./log";

/** Thrown out of a script when its run is cancelled. */
export class Cancelled extends Error {}

/** A tool call of a script. */
export interface ScriptedCall {
  readonly tool: string;
  readonly arguments: JsonObject;
  readonly ms: number;
  readonly text?: string;
  readonly origin?: string;
  readonly progress?: readonly string[];
  readonly error?: Status;
  readonly pictures?: readonly MessageInitShape<typeof ArtifactSchema>[];
  /** Does the call as a sub-agent; its answer is the call's result. */
  readonly subAgent?: (run: RunScript) => Promise<string>;
}

/** What a script may do as the agent of one run. */
export class RunScript {
  readonly runId: string;
  readonly task: string;
  private readonly log: EventLog;
  private readonly pace: number;
  private readonly cancelled = resolvers();
  private readonly answered = resolvers();
  private isCancelled = false;
  private readonly steered = resolvers();
  private readonly heard: { steeringId: string; mode: SteeringMode; text: string }[] = [];
  private approved = false;
  private comment = "";
  /** What a person put in place of the arguments of the question. */
  edited: JsonObject | undefined;
  private readonly subAgents: RunScript[] = [];
  private step = 0;
  private calls = 0;

  /** `pace` scales all waits: 1 for people who watch, 0 for tests. */
  constructor(log: EventLog, runId: string, task: string, pace: number) {
    this.log = log;
    this.runId = runId;
    this.task = task;
    this.pace = pace;
  }

  cancel(): void {
    this.isCancelled = true;
    this.cancelled.resolve();
  }

  append(kind: EventKind): void {
    this.log.append(this.runId, kind);
  }

  async wait(ms: number): Promise<void> {
    const timer = resolvers();
    const id = setTimeout(timer.resolve, ms * this.pace);
    await Promise.race([timer.promise, this.cancelled.promise]);
    clearTimeout(id);
    if (this.isCancelled) {
      throw new Cancelled();
    }
  }

  start(model: string): void {
    this.append({ case: "runStarted", value: { attempt: 1, model } });
    const message = { messageId: `${this.runId}-task`, role: Role.USER, text: this.task };
    this.append({ case: "message", value: message });
  }

  /** One model step: reasoning and text piece by piece, then the calls side by side. */
  async act(script: { reasoning?: string; text?: string; calls?: readonly ScriptedCall[] }): Promise<void> {
    const { reasoning = "", text = "", calls = [] } = script;
    this.step += 1;
    const messageId = `${this.runId}-m${this.step}`;
    for (const piece of pieces(reasoning)) {
      this.append({ case: "reasoningDelta", value: { messageId, text: piece } });
      await this.wait(25);
    }
    let written = "";
    try {
      for (const piece of pieces(text)) {
        written += piece;
        this.append({ case: "textDelta", value: { messageId, text: piece } });
        await this.wait(30);
      }
    } catch (error) {
      const value = { messageId, role: Role.AGENT, text: written, reasoning, step: this.step, partial: true };
      this.append({ case: "message", value });
      throw error;
    }
    const ids = calls.map((_, index) => `${this.runId}-c${this.step}-${index}`);
    const value = { messageId, role: Role.AGENT, text, reasoning, step: this.step, callIds: ids };
    this.append({ case: "message", value });
    await Promise.all(calls.map((call, index) => this.call(ids[index] ?? "", call)));
  }

  /** Asks a person, and waits for the answer; true when it was approved. */
  async ask(approvalId: string, tool: string, args: JsonObject): Promise<boolean> {
    const call = { callId: `${approvalId}-call`, tool, arguments: args };
    const approval = { approvalId, runId: this.runId, call, reason: "It changes files.", state: ApprovalState.PENDING };
    this.append({ case: "approvalRequested", value: { approval } });
    await Promise.race([this.answered.promise, this.cancelled.promise]);
    await this.wait(0);
    const state = this.approved ? ApprovalState.APPROVED : ApprovalState.DENIED;
    const { edited, comment } = this;
    this.append({
      case: "approvalResolved",
      value: { approvalId, state, comment, ...(edited && { editedArguments: edited }) },
    });
    return this.approved;
  }

  /** A person's answer to the question. */
  answer(approved: boolean, edited: JsonObject | undefined, comment = ""): void {
    this.approved = approved;
    this.edited = edited;
    this.comment = comment;
    this.answered.resolve();
    for (const child of this.subAgents) {
      child.answer(approved, edited, comment);
    }
  }

  /** A person's input to the run: the agent reads it when `hear` is called. */
  steer(steeringId: string, mode: SteeringMode, text: string): void {
    const receipt = { steeringId, mode, text };
    this.heard.push(receipt);
    this.append({ case: "steeringReceipt", value: { ...receipt, state: SteeringState.ACCEPTED } });
    this.steered.resolve();
  }

  /** Waits for an input and makes a message of it; its text. */
  async hear(): Promise<string> {
    await Promise.race([this.steered.promise, this.cancelled.promise]);
    await this.wait(0);
    const receipt = this.heard.shift() ?? { steeringId: "", mode: SteeringMode.STEER, text: "" };
    const messageId = `input-${receipt.steeringId}`;
    this.append({ case: "message", value: { messageId, role: Role.USER, text: receipt.text } });
    this.append({ case: "steeringReceipt", value: { ...receipt, state: SteeringState.APPLIED, appliedSequence: 1n } });
    return receipt.text;
  }

  notice(level: NoticeLevel, text: string): void {
    this.append({ case: "notice", value: { level, text } });
  }

  finish(outcome: RunOutcome, startedAt: number, answer = "", error?: Status): void {
    const usage = { toolCalls: this.calls, modelCalls: this.step, inputTokens: 2140n, outputTokens: 386n };
    const duration = durationFromMs(Date.now() - startedAt);
    this.append({ case: "runFinished", value: { outcome, answer, usage, duration, ...(error && { error }) } });
  }

  private async call(callId: string, call: ScriptedCall): Promise<void> {
    const { tool } = call;
    const startedAt = Date.now();
    this.calls += 1;
    const started = { callId, tool, arguments: call.arguments, step: this.step, attempt: 1 };
    this.append({ case: "toolCallStarted", value: started });
    try {
      const news = call.progress ?? [];
      for (const message of news) {
        await this.wait(call.ms / (news.length + 1));
        this.append({ case: "toolCallProgress", value: { callId, progress: { message } } });
      }
      await this.wait(call.ms / (news.length + 1));
    } catch (error) {
      const completion = { outcome: ToolOutcome.CANCELLED, duration: durationFromMs(Date.now() - startedAt) };
      this.append({ case: "toolCallFinished", value: { callId, tool, completion } });
      throw error;
    }
    for (const artifact of call.pictures ?? []) {
      this.append({ case: "artifactAdded", value: { callId, artifact } });
    }
    const answer = call.subAgent && (await this.delegate(callId, call.subAgent, call.arguments));
    const completion = {
      outcome: call.error ? ToolOutcome.FAILED : ToolOutcome.SUCCEEDED,
      result: { text: answer ?? call.text ?? "", untrustedOrigin: call.origin ?? "" },
      duration: durationFromMs(Date.now() - startedAt),
      ...(call.error && { error: call.error }),
    };
    this.append({ case: "toolCallFinished", value: { callId, tool, completion } });
  }

  /** Has a sub-agent do a call: a run of its own in the same log. */
  private async delegate(callId: string, script: (run: RunScript) => Promise<string>, args: JsonObject) {
    const task = String(args.task ?? "");
    const child = new RunScript(this.log, `${callId}-run`, task, this.pace);
    this.subAgents.push(child);
    const startedAt = Date.now();
    const parent = { parentRunId: this.runId, parentCallId: callId };
    child.append({ case: "runQueued", value: { spec: { task }, ...parent } });
    child.start("offline");
    const answer = await script(child);
    child.finish(RunOutcome.COMPLETED, startedAt, answer);
    return answer;
  }
}

/** How the ends of runs are called in scripts. */
export { RunOutcome };

function pieces(text: string): string[] {
  return text.match(/\S+\s*|\s+/g) ?? [];
}
