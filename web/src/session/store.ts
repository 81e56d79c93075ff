import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { WatchSessionResponse } from "../gen/meshwright/v1/agent_service_pb";
import type { Session } from "../gen/meshwright/v1/session_pb";
import { type MeshClient, NO_DEADLINE } from "../mesh/client";
import { MeshClock } from "./clock";
import { type Connection, type FollowTimes, followSession, type Verdict } from "./follow";
import { FrameBatch } from "./frames";
import { reduce } from "./reduce";
import { stateAfterGap } from "./snapshot";
import { activeRun, emptySession, type SessionState } from "./state";

/** What a page shows of a session at one moment. */
export interface SessionView {
  readonly state: SessionState;
  /** The session's attributes when the latest stream began; undefined until the first has. */
  readonly session: Session | undefined;
  readonly connection: Connection;
  /** Everything that was in the log when the first stream began has been applied. */
  readonly caughtUp: boolean;
}

/** One session on the page: follows it while somebody looks, and tells its subscribers once a frame at most. */
export class SessionStore {
  readonly sessionId: string;
  readonly clock = new MeshClock();
  private readonly mesh: MeshClient;
  private readonly times: FollowTimes | undefined;
  private readonly wake = new EventTarget();
  private readonly listeners = new Set<() => void>();
  private readonly batch = new FrameBatch(() => this.publish());
  private following: AbortController | undefined;
  private streamIsLive = false;
  private latest: SessionView;
  private published: SessionView;

  constructor(mesh: MeshClient, sessionId: string, times?: FollowTimes) {
    this.mesh = mesh;
    this.sessionId = sessionId;
    this.times = times;
    this.latest = {
      state: emptySession(sessionId),
      session: undefined,
      connection: { phase: "connecting" },
      caughtUp: false,
    };
    this.published = this.latest;
  }

  readonly getView = (): SessionView => this.published;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Follows the session from where it is; does nothing when it already does. */
  follow(): void {
    if (this.following) {
      return;
    }
    const following = new AbortController();
    this.following = following;
    void followSession({
      open: (afterSequence, signal) =>
        this.mesh.watchSession({ sessionId: this.sessionId, afterSequence }, { signal, timeoutMs: NO_DEADLINE }),
      cursor: () => this.latest.state.cursor,
      onFrame: (frame) => this.takeFrame(frame),
      onConnection: (connection) => this.setConnection(connection),
      onCursorAhead: () => this.change({ state: emptySession(this.sessionId) }),
      signal: following.signal,
      wake: this.wake,
      ...(this.times && { times: this.times }),
    });
  }

  /** Lets go of the stream; what was read stays. */
  unfollow(): void {
    this.following?.abort();
    this.following = undefined;
  }

  /** Ends a wait for the next attempt, and begins anew where the mesh had given a final answer. */
  hurry(): void {
    if (this.latest.connection.phase === "ended") {
      this.unfollow();
      this.change({ connection: { phase: "connecting" } });
      this.follow();
    }
    this.wake.dispatchEvent(new Event("wake"));
  }

  /** Whether nothing is at work, so that nothing is missed if the session is let go of for a while. */
  isIdle(): boolean {
    return this.latest.caughtUp && activeRun(this.latest.state) === undefined;
  }

  private takeFrame({ events, control }: WatchSessionResponse): Verdict {
    switch (control.case) {
      case "attached":
        this.streamIsLive = false;
        this.clock.restart();
        this.change({ session: control.value.session });
        break;
      case "gap":
        this.change({ state: stateAfterGap(this.latest.state, control.value) });
        break;
      case "caughtUp":
        this.streamIsLive = true;
        this.change({ caughtUp: true });
        break;
      case "heartbeat":
        this.observe(control.value.time);
        break;
    }
    if (events.length === 0) {
      return "go-on";
    }
    const { state, missing } = reduce(this.latest.state, events);
    if (this.streamIsLive) {
      this.observe(events.at(-1)?.time);
    }
    this.change({ state });
    return missing ? "watch-anew" : "go-on";
  }

  private observe(time: Parameters<typeof timestampMs>[0] | undefined): void {
    if (time) {
      this.clock.observe(timestampMs(time));
    }
  }

  private setConnection(connection: Connection): void {
    if (connection.phase !== this.latest.connection.phase) {
      this.change({ connection });
    }
  }

  private change(part: Partial<SessionView>): void {
    this.latest = { ...this.latest, ...part };
    this.batch.request();
  }

  private publish(): void {
    this.published = this.latest;
    for (const listener of this.listeners) {
      listener();
    }
  }
}
