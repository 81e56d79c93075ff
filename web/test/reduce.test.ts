import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { ApprovalState, EventSchema, NoticeLevel, SteeringState } from "../src/gen/meshwright/v1/event_pb";
import { RunOutcome } from "../src/gen/meshwright/v1/run_pb";
import { ToolOutcome } from "../src/gen/meshwright/v1/tool_pb";
import { asksPerson, DELEGATE, newsOf, subAgentOf, tasksOf } from "../src/session/family";
import { reduce } from "../src/session/reduce";
import { activeRun, emptySession, type SessionState } from "../src/session/state";
import {
  callFinished,
  callStarted,
  callsOf,
  eventsOf,
  finished,
  onlyRun,
  queued,
  reasoning,
  said,
  saidIn,
  started,
  stepsOf,
  T0,
  text,
  userSaid,
} from "./events";
import { type EventKind, EventLog } from "./mesh/log";

function stateAfter(...kinds: EventKind[]): SessionState {
  const { state, missing } = reduce(emptySession("ses_1"), eventsOf(...kinds));
  expect(missing).toBe(false);
  return state;
}

describe("a family", () => {
  const log = new EventLog("ses_1");
  const add = (runId: string, ...kinds: EventKind[]) => kinds.map((kind) => log.append(runId, kind, T0));
  const delegated = (task: string, parentRunId: string, parentCallId: string): EventKind => ({
    case: "runQueued",
    value: { spec: { task }, parentRunId, parentCallId },
  });
  add(
    "r1",
    queued("Go"),
    started,
    userSaid("u1", "Go"),
    callStarted("c1", 1, DELEGATE),
    callStarted("c2", 1, DELEGATE),
  );
  add("r2", delegated("Look", "r1", "c1"), started, userSaid("u2", "Look"), callStarted("c3", 1, DELEGATE));
  add("r3", delegated("Look closely", "r2", "c3"), started, text("m1", "Deep "), text("m1", "down"));
  const stateAt = (count: number) => reduce(emptySession("ses_1"), log.events.slice(0, count)).state;
  const { runs } = stateAt(log.events.length);

  test("is one task, whose calls lead to the sub-agents", () => {
    expect(tasksOf(runs).map((run) => run.runId)).toEqual(["r1"]);
    expect([subAgentOf(runs, "c1")?.task, subAgentOf(runs, "c3")?.task]).toEqual(["Look", "Look closely"]);
    expect(subAgentOf(runs, "c2")).toBeUndefined();
    expect(activeRun(stateAt(log.events.length))?.runId).toBe("r1");
  });

  test("keeps the words of each apart", () => {
    expect(runs.map((run) => saidIn(run))).toEqual([[], [], ["agent: Deep down"]]);
  });

  test("tells what a sub-agent does just now", () => {
    expect(runs.map((run) => newsOf(run))).toEqual([`${DELEGATE}, ${DELEGATE}`, DELEGATE, "thinking"]);
  });

  test("asks a person as a whole when one of it does", () => {
    const before = tasksOf(runs)[0];
    expect(before && asksPerson(runs, before)).toBe(false);
    log.append("r3", {
      case: "approvalRequested",
      value: { approval: { approvalId: "a1", state: ApprovalState.PENDING } },
    });
    const asking = stateAt(log.events.length).runs;
    expect(asking.map((run) => asksPerson(asking, run))).toEqual([true, true, true]);
    expect(asking.map((run) => newsOf(run)).at(-1)).toBe("waits for an answer");
    log.append("r3", { case: "approvalResolved", value: { approvalId: "a1", state: ApprovalState.APPROVED } });
    const answered = stateAt(log.events.length).runs;
    expect(answered.map((run) => asksPerson(answered, run))).toEqual([false, false, false]);
  });

  test("leaves alone the runs to which nothing happened", () => {
    const before = stateAt(log.events.length);
    const event = log.append("r3", text("m2", "more"));
    const after = reduce(before, [event]).state;
    expect(after.runs.map((run, index) => run === before.runs[index])).toEqual([true, true, false]);
  });
});

describe("a run", () => {
  test("is queued, then active, then finished", () => {
    expect(onlyRun(stateAfter(queued("Go"))).phase).toBe("queued");
    const active = onlyRun(stateAfter(queued("Go"), started));
    expect(active).toMatchObject({ phase: "active", task: "Go", model: "offline", queuedAt: T0, startedAt: T0 + 10 });
    const done = onlyRun(stateAfter(queued("Go"), started, finished(RunOutcome.FAILED)));
    expect(done).toMatchObject({ phase: "finished", outcome: RunOutcome.FAILED, durationMs: 10 });
  });

  test("does not show its task a second time, but what a person says to it later", () => {
    const run = onlyRun(stateAfter(queued("Go"), started, userSaid("u1", "Go"), userSaid("u2", "Go")));
    expect(saidIn(run)).toEqual(["user: Go"]);
  });

  test("shows an input while it waits, as a message once it is applied, and why it came back", () => {
    const receipt = (state: SteeringState, reason?: string): EventKind => ({
      case: "steeringReceipt",
      value: { steeringId: "s1", state, text: "Faster", ...(reason && { reason: { message: reason } }) },
    });
    const inputs = (...kinds: EventKind[]) =>
      onlyRun(stateAfter(queued("Go"), started, userSaid("u1", "Go"), ...kinds)).entries;
    const accepted = receipt(SteeringState.ACCEPTED);
    expect(inputs(accepted)).toMatchObject([{ kind: "input", text: "Faster", returned: undefined }]);
    const applied = [userSaid("input-s1", "Faster"), receipt(SteeringState.APPLIED)];
    expect(inputs(accepted, ...applied)).toMatchObject([{ kind: "said", by: "user", text: "Faster" }]);
    const returned = receipt(SteeringState.RETURNED, "The run has ended.");
    expect(inputs(accepted, returned)).toMatchObject([{ kind: "input", returned: { message: "The run has ended." } }]);
  });

  test("takes its duration from the terminal event where it tells one", () => {
    const end: EventKind = {
      case: "runFinished",
      value: { outcome: RunOutcome.COMPLETED, duration: durationFromMs(1234) },
    };
    expect(onlyRun(stateAfter(queued("Go"), started, end)).durationMs).toBe(1234);
  });

  test("shows an answer that no message told", () => {
    const run = onlyRun(stateAfter(queued("Go"), started, finished(RunOutcome.COMPLETED, "42")));
    expect(saidIn(run)).toEqual(["agent: 42"]);
  });

  test("does not show an answer twice", () => {
    const run = onlyRun(stateAfter(queued("Go"), started, said("m1", "42"), finished(RunOutcome.COMPLETED, "42")));
    expect(saidIn(run)).toEqual(["agent: 42"]);
  });

  test("stays where it is when it is started again after a takeover", () => {
    const again: EventKind = { case: "runStarted", value: { attempt: 2, model: "offline" } };
    expect(onlyRun(stateAfter(queued("Go"), started, again))).toMatchObject({ attempt: 2, startedAt: T0 + 10 });
  });
});

describe("a message", () => {
  test("grows piece by piece, and its reasoning beside it", () => {
    const run = onlyRun(
      stateAfter(queued("Go"), reasoning("m1", "Hm"), reasoning("m1", "m."), text("m1", "a"), text("m1", "b")),
    );
    expect(run.entries).toMatchObject([{ text: "ab", reasoning: "Hmm.", done: false }]);
  });

  test("is replaced by the whole message, which no later piece changes", () => {
    const run = onlyRun(stateAfter(text("m1", "a"), said("m1", "whole"), text("m1", "late")));
    expect(run.entries).toMatchObject([{ text: "whole", done: true }]);
  });

  test("keeps its reasoning when the whole message has none", () => {
    expect(onlyRun(stateAfter(reasoning("m1", "Hm"), said("m1", "b"))).entries).toMatchObject([{ reasoning: "Hm" }]);
  });

  test("stands above the tool calls that it asked for", () => {
    const run = onlyRun(stateAfter(callStarted("c1", 1), said("m1", "I look", 1)));
    expect(run.entries.map((entry) => entry.kind)).toEqual(["said", "step"]);
  });

  test("that never became whole is partial when the run ends", () => {
    const run = onlyRun(stateAfter(text("m1", "a"), finished(RunOutcome.CANCELLED)));
    expect(run.entries).toMatchObject([{ text: "a", done: true, partial: true }]);
  });
});

describe("tool calls", () => {
  test("of one step stand together, those of the next apart", () => {
    const run = onlyRun(
      stateAfter(callStarted("c1", 1), callStarted("c2", 1), callFinished("c1"), callStarted("c3", 2)),
    );
    expect(stepsOf(run).map((step) => step.calls.map((call) => call.callId))).toEqual([["c1", "c2"], ["c3"]]);
  });

  test("run until they end, and tell how", () => {
    const [first, second] = callsOf(onlyRun(stateAfter(callStarted("c1"), callStarted("c2"), callFinished("c1"))));
    expect(first).toMatchObject({
      startedAt: T0,
      end: { outcome: ToolOutcome.SUCCEEDED, finishedAt: T0 + 20, durationMs: 20 },
    });
    expect(second?.end).toBeUndefined();
  });

  test("tell what they are doing", () => {
    const news = (message: string, output: string, fraction?: number): EventKind => ({
      case: "toolCallProgress",
      value: { callId: "c1", progress: { message, output, ...(fraction !== undefined && { fraction }) } },
    });
    const run = onlyRun(stateAfter(callStarted("c1"), news("reading", "a\n", 0.5), news("", "b\n")));
    expect(callsOf(run)[0]?.progress).toEqual({ message: "reading", output: "a\nb\n", fraction: 0.5 });
  });

  test("are shown once when they are repeated after a takeover", () => {
    const again: EventKind = {
      case: "toolCallStarted",
      value: { callId: "c1", tool: "file.read", step: 1, attempt: 2 },
    };
    const calls = callsOf(onlyRun(stateAfter(callStarted("c1"), again)));
    expect(calls).toMatchObject([{ attempt: 2, startedAt: T0 + 10 }]);
  });

  test("hold their files once, with the content that came first", () => {
    const artifact = { artifactId: "a1", name: "shop.png", mediaType: "image/png" };
    const added: EventKind = {
      case: "artifactAdded",
      value: { callId: "c1", artifact: { ...artifact, inlineData: new Uint8Array([1]) } },
    };
    const end: EventKind = {
      case: "toolCallFinished",
      value: { callId: "c1", completion: { outcome: ToolOutcome.SUCCEEDED, result: { artifacts: [artifact] } } },
    };
    const [call] = callsOf(onlyRun(stateAfter(callStarted("c1"), added, end)));
    expect(call?.artifacts).toMatchObject([{ artifactId: "a1", inlineData: new Uint8Array([1]) }]);
  });

  test("that nobody heard start are passed over", () => {
    expect(onlyRun(stateAfter(queued("Go"), callFinished("c9"))).entries).toEqual([]);
  });
});

test("files of no call and notices have their place in the run", () => {
  const file: EventKind = { case: "artifactAdded", value: { artifact: { artifactId: "a1", name: "a.pdf" } } };
  const notice: EventKind = { case: "notice", value: { level: NoticeLevel.WARNING, text: "Tried again." } };
  const run = onlyRun(stateAfter(queued("Go"), file, notice));
  expect(run.entries).toMatchObject([
    { kind: "files", artifacts: [{ name: "a.pdf" }] },
    { kind: "note", text: "Tried again." },
  ]);
});

describe("the log", () => {
  const events = eventsOf(queued("Go"), started, text("m1", "a"), text("m1", "b"), finished());

  test("is applied once however often it comes", () => {
    const once = reduce(emptySession("ses_1"), events).state;
    expect(reduce(once, events).state).toBe(once);
    expect(once.cursor).toBe(5n);
  });

  test("is not applied beyond a hole", () => {
    const [first, second, , fourth] = events;
    const holed = [first, second, fourth].filter((event) => event !== undefined);
    const { state, missing } = reduce(emptySession("ses_1"), holed);
    expect(missing).toBe(true);
    expect(state.cursor).toBe(2n);
    expect(reduce(state, events)).toMatchObject({ missing: false, state: { cursor: 5n } });
  });

  test("passes over kinds that the page does not know, and counts them", () => {
    const unknown = create(EventSchema, { sessionId: "ses_1", runId: "r1", sequence: 6n });
    const before = reduce(emptySession("ses_1"), events).state;
    const { state } = reduce(before, [unknown]);
    expect(state).toEqual({ ...before, cursor: 6n });
    expect(state.runs).toBe(before.runs);
  });

  test("leaves what did not change as it was", () => {
    const before = stateAfter(queued("Go"), said("m1", "done"), callStarted("c1"));
    const later = eventsOf(queued("Go"), said("m1", "done"), callStarted("c1"), callFinished("c1"));
    const after = reduce(before, later).state;
    expect(onlyRun(after).entries[0]).toBe(onlyRun(before).entries[0]);
    expect(onlyRun(after).entries[1]).not.toBe(onlyRun(before).entries[1]);
  });
});
