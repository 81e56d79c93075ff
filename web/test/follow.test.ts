import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WatchSessionRequest } from "../src/gen/meshwright/v1/agent_service_pb";
import { connectMesh } from "../src/mesh/client";
import { SessionStore, type SessionView } from "../src/session/store";
import { Credentials } from "../src/signin/credentials";
import { finished, onlyRun, queued, said, saidIn, started, text } from "./events";
import { MemoryStorage } from "./memory_storage";
import { meshError } from "./mesh/errors";
import { ScriptedMesh } from "./mesh/mesh";
import { MeshServer } from "./mesh/server";
import type { ScriptedSession } from "./mesh/session";
import { control, watch } from "./mesh/watch";
import { until } from "./until";

let mesh: ScriptedMesh;
let server: MeshServer;
let session: ScriptedSession;
let store: SessionStore;
let phases: string[];

beforeEach(async () => {
  mesh = new ScriptedMesh();
  server = new MeshServer(mesh);
  await server.start();
  session = mesh.open("A session");
  phases = [];
  store = newStore();
});

afterEach(async () => {
  store.unfollow();
  await server.stop();
});

function newStore(silenceMs = 45_000): SessionStore {
  const made = new SessionStore(connectMesh(server.url, new Credentials(new MemoryStorage())), session.log.sessionId, {
    silenceMs,
    healthyMs: 5_000,
  });
  made.subscribe(() => {
    const { phase } = made.getView().connection;
    if (phases.at(-1) !== phase) {
      phases.push(phase);
    }
  });
  return made;
}

function view(): SessionView {
  return store.getView();
}

async function untilCursor(cursor: bigint): Promise<void> {
  await until(
    () => view().state.cursor === cursor,
    () => `cursor ${view().state.cursor}, ${view().connection.phase}`,
  );
}

function append(...pieces: string[]): void {
  for (const piece of pieces) {
    session.log.append("r1", text("m1", piece));
  }
}

/** Serves the first `count` streams in a special way and the rest well. */
function firstStreams(count: number, special: typeof mesh.intercept): { cursors: bigint[] } {
  const seen: { cursors: bigint[] } = { cursors: [] };
  mesh.intercept = (request, signal) => {
    seen.cursors.push(request.afterSequence);
    return seen.cursors.length <= count ? special(request, signal) : undefined;
  };
  return seen;
}

test("shows what was there before, and then what happens", async () => {
  session.log.append("r1", queued("Go"));
  session.log.append("r1", started);
  store.follow();
  await until(() => view().caughtUp);
  expect(onlyRun(view().state).phase).toBe("active");
  expect(view().session?.title).toBe("A session");
  append("live");
  await untilCursor(3n);
  expect(saidIn(onlyRun(view().state))).toEqual(["agent: live"]);
  expect(phases).toEqual(["live"]);
});

test("reads a long log whole", async () => {
  append(...Array.from({ length: 1_000 }, (_, index) => `${index} `));
  store.follow();
  await untilCursor(1_000n);
  expect(saidIn(onlyRun(view().state))[0]).toMatch(/^agent: 0 1 2 .* 998 999 $/);
});

test("a cut connection loses nothing and doubles nothing", async () => {
  const { cursors } = firstStreams(0, () => undefined);
  store.follow();
  for (let cut = 0; cut < 3; cut++) {
    append("a", "b");
    await untilCursor(BigInt(cut * 2 + 2));
    server.cutConnections();
    await until(() => view().connection.phase === "reconnecting");
    store.hurry();
    await until(() => view().connection.phase === "live");
  }
  expect(saidIn(onlyRun(view().state))).toEqual(["agent: ababab"]);
  expect(cursors).toEqual([0n, 2n, 4n, 6n]);
});

test("what happens while the mesh is away is there when it is back", async () => {
  append("a");
  store.follow();
  await untilCursor(1n);
  await server.stop();
  await until(() => view().connection.phase === "reconnecting");
  append("b");
  await server.start();
  store.hurry();
  await untilCursor(2n);
  expect(phases).toEqual(["live", "reconnecting", "live"]);
});

test("a mesh that is about to stop is left for another stream, and nobody is alarmed", async () => {
  append("a");
  const { cursors } = firstStreams(1, async function* () {
    yield* events(0, 1);
    yield control({ case: "goingAway", value: { cursor: 1n } });
    await new Promise(() => {});
  });
  store.follow();
  await untilCursor(1n);
  append("b");
  await untilCursor(2n);
  expect(cursors).toEqual([0n, 1n]);
  expect(phases).toEqual(["live"]);
});

test("a stream that falls silent is given up", async () => {
  store = newStore(100);
  append("a");
  const { cursors } = firstStreams(1, async function* () {
    yield* events(0, 1);
    await new Promise(() => {});
  });
  store.follow();
  await untilCursor(1n);
  append("b");
  await untilCursor(2n);
  expect(cursors.slice(0, 2)).toEqual([0n, 1n]);
});

test("a missing event is asked for again", async () => {
  append("a", "b", "c", "d");
  const { cursors } = firstStreams(1, async function* () {
    yield* events(0, 2);
    yield* events(3, 4);
    await new Promise(() => {});
  });
  store.follow();
  await untilCursor(4n);
  expect(cursors).toEqual([0n, 2n]);
  expect(saidIn(onlyRun(view().state))).toEqual(["agent: abcd"]);
});

describe("trimmed events", () => {
  beforeEach(() => {
    session.log.append("r1", queued("Go"));
    session.log.append("r1", started);
    session.log.append("r1", said("m1", "The answer"));
    session.log.append("r1", finished(undefined, "The answer"));
  });

  test.each([
    ["the first event that is kept", 2n],
    ["the end of the snapshot", 4n],
  ])("are stood for by the snapshot, and nothing is told twice when the log goes on from %s", async (_, after) => {
    const { cursors } = firstStreams(1, (request, signal) => trimmed(request, signal, after));
    store.follow();
    await until(() => view().caughtUp);
    session.log.append("r1", { case: "notice", value: { text: "live" } });
    await untilCursor(5n);
    const run = onlyRun(view().state);
    expect(cursors).toEqual([0n]);
    expect(view().state.trimmed).toBe(true);
    expect(run).toMatchObject({ task: "Go", phase: "finished" });
    expect(saidIn(run)).toEqual(["agent: The answer"]);
    expect(view().state.earlier.map((message) => message.text)).toEqual(["An older answer"]);
  });

  async function* trimmed(request: WatchSessionRequest, signal: AbortSignal, after: bigint) {
    const run = { runId: "r1", state: 3, outcome: 1, spec: { task: "Go" }, answer: "The answer" };
    const messages = [
      { messageId: "m0", role: 2, text: "An older answer" },
      { messageId: "t1", role: 1, text: "Go" },
      { messageId: "m1", role: 2, text: "The answer" },
    ];
    const snapshot = { sequence: 4n, runs: [run], messages };
    yield control({ case: "gap", value: { firstAvailableSequence: 3n, snapshot } });
    yield* watch(session, { ...request, afterSequence: after }, signal);
  }
});

test("a session that does not exist is told, and asked for again only when somebody wants it", async () => {
  mesh.sessions.clear();
  store.follow();
  await until(() => view().connection.phase === "ended");
  expect(view().connection).toMatchObject({ problem: { reason: "SESSION_NOT_FOUND", code: Code.NotFound } });
  mesh.sessions.set(session.log.sessionId, session);
  store.hurry();
  await until(() => view().connection.phase === "live");
});

test("a session that is deleted while it is watched ends", async () => {
  store.follow();
  await until(() => view().caughtUp);
  session.deleted = true;
  session.log.append("", { case: "notice", value: { text: "deleted" } });
  await until(() => view().connection.phase === "ended");
});

test("a log that is shorter than the cursor is read from its beginning", async () => {
  append("a", "b");
  store.follow();
  await untilCursor(2n);
  session.log.events.length = 0;
  append("new");
  server.cutConnections();
  await untilCursor(1n);
  expect(saidIn(onlyRun(view().state))).toEqual(["agent: new"]);
});

test("a reader that was too slow comes back when the mesh says so", async () => {
  append("a");
  firstStreams(1, () => {
    throw meshError(Code.ResourceExhausted, "The reader is too slow.", { reason: "READER_TOO_SLOW", retryAfterMs: 20 });
  });
  store.follow();
  await untilCursor(1n);
});

test("the mesh's clock is known from what it sends live", async () => {
  store.follow();
  await until(() => view().caughtUp);
  session.log.append("r1", text("m1", "a"), Date.now() + 3_600_000);
  await untilCursor(1n);
  const ahead = store.clock.at(Date.now()) - Date.now();
  expect(ahead).toBeGreaterThan(3_590_000);
  expect(ahead).toBeLessThanOrEqual(3_600_001);
});

async function* events(from: number, to: number) {
  const frame = control({ case: "caughtUp", value: { cursor: BigInt(to) } });
  yield { ...frame, events: session.log.events.slice(from, to) };
}
