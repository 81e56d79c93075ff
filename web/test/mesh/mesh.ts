import { Code, type ConnectRouter } from "@connectrpc/connect";
import {
  AgentService,
  type ReadArtifactRequest,
  type WatchSessionRequest,
  type WatchSessionResponse,
} from "../../src/gen/meshwright/v1/agent_service_pb";
import { SteeringMode } from "../../src/gen/meshwright/v1/run_pb";
import { meshError, sessionNotFound } from "./errors";
import { pagePicture } from "./picture";
import { EXAMPLES, scriptFor } from "./scripts";
import { ScriptedSession } from "./session";
import { watch } from "./watch";

/** A mesh in memory whose agent plays scripts: what the page is developed and tested against. */
export class ScriptedMesh {
  readonly sessions = new Map<string, ScriptedSession>();
  /** Scales the waits of the scripts: 1 for people who watch, 0 for tests. */
  pace = 1;
  /** What GetAgent says of the model. */
  model = "offline";
  /** Every request of a mutating call, in order. */
  readonly requests: { readonly method: string; readonly requestId: string }[] = [];
  /** Called when a mutating call has come, and when its answer is ready; may throw. */
  beforeCall = () => {};
  afterCall = () => {};
  /** Called before each stream is served; may throw, or serve it in another way. */
  intercept: (request: WatchSessionRequest, signal: AbortSignal) => AsyncIterable<WatchSessionResponse> | undefined =
    () => undefined;
  private readonly answers = new Map<string, unknown>();
  private count = 0;

  readonly routes = (router: ConnectRouter): void => {
    router.service(AgentService, {
      getAgent: () => ({
        agent: {
          version: "0.1.0",
          model: this.model,
          offline: this.model === "offline",
          demoUrl: "http://localhost:8080/demo/",
          exampleTasks: EXAMPLES,
        },
      }),
      createSession: ({ requestId, session }) =>
        this.once("createSession", requestId, () => ({ session: this.open(session?.title).describe() })),
      getSession: ({ sessionId }) => ({ session: this.find(sessionId).describe() }),
      listSessions: () => ({ sessions: [...this.sessions.values()].map((it) => it.describe()).reverse() }),
      deleteSession: ({ requestId, sessionId }) => this.once("deleteSession", requestId, () => this.remove(sessionId)),
      startRun: ({ requestId, sessionId, spec, whenBusy }) =>
        this.once("startRun", requestId, () => {
          const steers = whenBusy === SteeringMode.STEER || whenBusy === SteeringMode.INTERRUPT;
          const task = spec?.task ?? "";
          const steered = steers ? this.find(sessionId).steer(requestId, whenBusy, task) : undefined;
          return { run: steered ?? this.start(sessionId, task) };
        }),
      cancelRun: ({ requestId, sessionId, runId }) =>
        this.once("cancelRun", requestId, () => {
          const session = this.find(sessionId);
          session.cancel(runId);
          const run = session.find(runId);
          return run ? { run } : {};
        }),
      resolveApproval: ({ requestId, sessionId, decision }) =>
        this.once("resolveApproval", requestId, () => {
          const answer = decision?.answer;
          const edited = answer?.case === "approve" ? answer.value.editedArguments : undefined;
          this.find(sessionId).answer(answer?.case === "approve", edited, decision?.comment);
          return {};
        }),
      watchSession: (request, { signal }) =>
        this.intercept(request, signal) ?? watch(this.find(request.sessionId), request, signal),
      readArtifact: (request) => this.read(request),
    });
  };

  /** Opens a session as a client's CreateSession does. */
  open(title = ""): ScriptedSession {
    this.count += 1;
    const session = new ScriptedSession(`ses_${this.count}`, title);
    this.sessions.set(session.log.sessionId, session);
    return session;
  }

  find(sessionId: string): ScriptedSession {
    const session = this.sessions.get(sessionId);
    if (!session) {
      throw sessionNotFound(sessionId);
    }
    return session;
  }

  private start(sessionId: string, task: string) {
    const session = this.find(sessionId);
    if (task.trim() === "") {
      throw meshError(Code.InvalidArgument, "The request has 1 invalid field.", {
        reason: "INVALID_FIELDS",
        violations: [{ field: "spec.task", description: "must not be empty" }],
      });
    }
    this.count += 1;
    return session.enqueue(`run_${this.count}`, task, this.pace, (run) => scriptFor(run.task)(run));
  }

  private remove(sessionId: string): Record<string, never> {
    const session = this.find(sessionId);
    session.deleted = true;
    this.sessions.delete(sessionId);
    session.log.append("", { case: "notice", value: { text: "deleted" } });
    return {};
  }

  private once<T>(method: string, requestId: string, act: () => T): T {
    this.requests.push({ method, requestId });
    this.beforeCall();
    const key = `${method} ${requestId}`;
    if (requestId === "" || !this.answers.has(key)) {
      this.answers.set(key, act());
    }
    this.afterCall();
    return this.answers.get(key) as T;
  }

  private async *read({ artifactId }: ReadArtifactRequest) {
    yield { part: { case: "artifact" as const, value: { artifactId, mediaType: "image/png" } } };
    const content = pagePicture(1280, 800, [168, 85, 30]);
    for (let at = 0; at < content.length; at += 65_536) {
      yield { part: { case: "data" as const, value: content.slice(at, at + 65_536) } };
    }
  }
}
