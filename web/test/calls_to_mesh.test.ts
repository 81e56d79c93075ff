import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectMesh, newRequestId } from "../src/mesh/client";
import { CALL_ATTEMPTS } from "../src/mesh/retry";
import { Credentials } from "../src/signin/credentials";
import { MemoryStorage } from "./memory_storage";
import { meshError } from "./mesh/errors";
import { ScriptedMesh } from "./mesh/mesh";
import { MeshServer } from "./mesh/server";

let mesh: ScriptedMesh;
let server: MeshServer;
let credentials: Credentials;

beforeEach(async () => {
  credentials = new Credentials(new MemoryStorage());
  mesh = new ScriptedMesh();
  server = new MeshServer(mesh);
  await server.start();
});

afterEach(() => server.stop());

test("a call that did not get through is repeated with the same request id", async () => {
  let failures = 2;
  mesh.beforeCall = () => {
    if (failures-- > 0) {
      throw meshError(Code.Unavailable, "Starting.", { reason: "UNAVAILABLE", retryAfterMs: 5 });
    }
  };
  const { session } = await connectMesh(server.url, credentials).createSession({ requestId: "one" });
  expect(session?.sessionId).toBe("ses_1");
  expect(mesh.requests.map((request) => request.requestId)).toEqual(["one", "one", "one"]);
  expect(mesh.sessions.size).toBe(1);
});

test("a call whose answer was lost on the way does nothing twice", async () => {
  mesh.afterCall = () => {
    mesh.afterCall = () => {};
    server.cutConnections();
  };
  await connectMesh(server.url, credentials).createSession({ requestId: "one" });
  expect(mesh.requests).toHaveLength(2);
  expect(mesh.sessions.size).toBe(1);
});

test("a mesh that stays away is given up after some attempts", async () => {
  mesh.beforeCall = () => {
    throw meshError(Code.Unavailable, "Stopping.", { reason: "UNAVAILABLE", retryAfterMs: 1 });
  };
  await expect(connectMesh(server.url, credentials).createSession({})).rejects.toThrow("Stopping.");
  expect(mesh.requests).toHaveLength(CALL_ATTEMPTS);
});

test("a call that the mesh refuses is not repeated", async () => {
  const session = mesh.open();
  const refused = connectMesh(server.url, credentials).startRun({
    sessionId: session.log.sessionId,
    spec: { task: " " },
  });
  await expect(refused).rejects.toSatisfy((error) => ConnectError.from(error).code === Code.InvalidArgument);
  expect(mesh.requests).toHaveLength(1);
});

test("every call about a session names it, streams too", async () => {
  const client = connectMesh(server.url, credentials);
  const { session } = await client.createSession({});
  const sessionId = session?.sessionId ?? "";
  await client.getSession({ sessionId });
  await client.startRun({ sessionId, spec: { task: "Say hello" } });
  for await (const { events } of client.watchSession({ sessionId })) {
    expect(events).toBeDefined();
    break;
  }
  expect(server.named).toEqual([
    ["CreateSession", ""],
    ["GetSession", sessionId],
    ["StartRun", sessionId],
    ["WatchSession", sessionId],
  ]);
});

test("request ids differ and fit the contract", () => {
  const ids = new Set(Array.from({ length: 100 }, newRequestId));
  expect(ids.size).toBe(100);
  for (const id of ids) {
    expect(id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
  }
});
