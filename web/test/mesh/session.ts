import { create, isMessage, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { type Status, StatusSchema } from "../../src/gen/google/rpc/status_pb";
import { type Run, RunOutcome, RunSchema, RunState, type SteeringMode } from "../../src/gen/meshwright/v1/run_pb";
import { type Session, SessionSchema } from "../../src/gen/meshwright/v1/session_pb";
import { meshStatus } from "./errors";
import { EventLog } from "./log";
import { Cancelled, RunScript } from "./run_script";
import type { Script } from "./scripts";

interface Work {
  readonly run: Run;
  readonly script: RunScript;
}

/** One scripted session: its log and its runs, one after the other. */
export class ScriptedSession {
  readonly log: EventLog;
  title: string;
  deleted = false;
  private readonly works: Work[] = [];
  private readonly createdAt = Date.now();
  private active: Work | undefined;

  constructor(sessionId: string, title: string) {
    this.log = new EventLog(sessionId);
    this.title = title;
  }

  describe(): Session {
    return create(SessionSchema, {
      sessionId: this.log.sessionId,
      title: this.title,
      createTime: timestampFromMs(this.createdAt),
      updateTime: this.log.events.at(-1)?.time ?? timestampFromMs(this.createdAt),
      lastSequence: this.log.last,
      firstSequence: 1n,
      activeRunId: this.active?.run.runId ?? "",
      queuedRuns: this.works.filter(({ run }) => run.state === RunState.QUEUED).length,
    });
  }

  find(runId: string): Run | undefined {
    return this.works.find(({ run }) => run.runId === runId)?.run;
  }

  enqueue(runId: string, task: string, pace: number, script: Script): Run {
    this.title ||= task.slice(0, 80);
    const run = create(RunSchema, { runId, sessionId: this.log.sessionId, state: RunState.QUEUED, spec: { task } });
    const work = { run, script: new RunScript(this.log, runId, task, pace) };
    this.works.push(work);
    work.script.append({ case: "runQueued", value: { spec: { task } } });
    void this.playAll(script);
    return run;
  }

  /** Answers the question of the run at work. */
  answer(approved: boolean, edited?: JsonObject, comment?: string): void {
    this.active?.script.answer(approved, edited, comment);
  }

  /** Gives the run at work an input; none when no run is at work. */
  steer(steeringId: string, mode: SteeringMode, text: string): Run | undefined {
    this.active?.script.steer(steeringId, mode, text);
    return this.active?.run;
  }

  cancel(runId: string): void {
    const work = this.works.find(({ run }) => run.runId === runId);
    work?.script.cancel();
    if (work && work.run.state === RunState.QUEUED) {
      this.finish(work, Date.now(), RunOutcome.CANCELLED);
    }
  }

  private async playAll(script: Script): Promise<void> {
    const next = this.works.find(({ run }) => run.state === RunState.QUEUED);
    if (this.active || !next) {
      return;
    }
    this.active = next;
    next.run.state = RunState.ACTIVE;
    await this.play(next, script);
    this.active = undefined;
    await this.playAll(script);
  }

  private async play(work: Work, script: Script): Promise<void> {
    const startedAt = Date.now();
    work.script.start("offline");
    try {
      const answer = await script(work.script);
      this.finish(work, startedAt, RunOutcome.COMPLETED, answer);
    } catch (error) {
      if (error instanceof Cancelled) {
        this.finish(work, startedAt, RunOutcome.CANCELLED);
      } else if (isMessage(error, StatusSchema)) {
        this.finish(work, startedAt, RunOutcome.FAILED, "", error);
      } else {
        this.finish(work, startedAt, RunOutcome.FAILED, "", meshStatus(Code.Internal, String(error)));
      }
    }
  }

  private finish(work: Work, startedAt: number, outcome: RunOutcome, answer = "", error?: Status): void {
    work.run.state = RunState.FINISHED;
    work.run.outcome = outcome;
    work.script.finish(outcome, startedAt, answer, error);
  }
}
