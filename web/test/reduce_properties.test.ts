import fc from "fast-check";
import { expect, test } from "vitest";
import type { Event } from "../src/gen/meshwright/v1/event_pb";
import { RunOutcome } from "../src/gen/meshwright/v1/run_pb";
import { reduce } from "../src/session/reduce";
import { emptySession, type SessionState } from "../src/session/state";
import { callFinished, callStarted, finished, queued, reasoning, said, started, T0, text, userSaid } from "./events";
import { type EventKind, EventLog } from "./mesh/log";

const ids = fc.constantFrom("1", "2", "3");
const kinds: fc.Arbitrary<EventKind> = fc.oneof(
  fc.constant(queued("Go")),
  fc.constant(started),
  fc.tuple(ids, fc.string()).map(([id, piece]) => text(`m${id}`, piece)),
  fc.tuple(ids, fc.string()).map(([id, piece]) => reasoning(`m${id}`, piece)),
  fc.tuple(ids, fc.string(), fc.integer({ min: 0, max: 3 })).map(([id, whole, step]) => said(`m${id}`, whole, step)),
  ids.map((id) => userSaid(`u${id}`, "Go")),
  fc.tuple(ids, fc.integer({ min: 1, max: 3 })).map(([id, step]) => callStarted(`c${id}`, step)),
  ids.map((id) => callFinished(`c${id}`)),
  fc.constant(finished(RunOutcome.COMPLETED, "answer")),
);
const logs = fc.array(fc.tuple(fc.constantFrom("r1", "r2", ""), kinds), { maxLength: 60 }).map((entries) => {
  const log = new EventLog("ses_1");
  for (const [index, [runId, kind]] of entries.entries()) {
    log.append(runId, kind, T0 + index);
  }
  return log.events;
});

function replay(events: readonly Event[], from: SessionState = emptySession("ses_1")): SessionState {
  return reduce(from, events).state;
}

test("reading any beginning and then the rest gives what reading all at once gives", () => {
  fc.assert(
    fc.property(logs, fc.nat(), (events, at) => {
      const cut = at % (events.length + 1);
      expect(replay(events.slice(cut), replay(events.slice(0, cut)))).toEqual(replay(events));
    }),
  );
});

test("watching anew from any earlier cursor changes nothing", () => {
  fc.assert(
    fc.property(logs, fc.nat(), fc.nat(), (events, from, to) => {
      const end = to % (events.length + 1);
      const start = from % (end + 1);
      const seen = replay(events.slice(0, end));
      expect(replay(events.slice(start), seen)).toEqual(replay(events));
    }),
  );
});

test("an event that is left out is always noticed, unless it was the last", () => {
  fc.assert(
    fc.property(logs, fc.nat(), (events, at) => {
      fc.pre(events.length > 1);
      const left = at % (events.length - 1);
      const result = reduce(emptySession("ses_1"), events.toSpliced(left, 1));
      expect(result.missing).toBe(true);
      expect(result.state).toEqual(replay(events.slice(0, left)));
    }),
  );
});

test("the cursor is the last sequence that was applied", () => {
  fc.assert(
    fc.property(logs, (events) => {
      expect(replay(events).cursor).toBe(BigInt(events.length));
    }),
  );
});
