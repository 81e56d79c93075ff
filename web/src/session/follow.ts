import { Code } from "@connectrpc/connect";
import type { WatchSessionResponse } from "../gen/meshwright/v1/agent_service_pb";
import { backoffMs, pause, STREAM_BACKOFF } from "../mesh/backoff";
import { type Problem, problemOf } from "../problems/problem";

/** What the page knows of its connection to a session. */
export type Connection =
  | { readonly phase: "connecting" }
  | { readonly phase: "live" }
  | { readonly phase: "reconnecting"; readonly problem: Problem }
  | { readonly phase: "ended"; readonly problem: Problem };

/** What is to become of the stream after a frame. */
export type Verdict = "go-on" | "watch-anew";

export interface FollowOptions {
  /** Opens the stream of what follows the cursor. */
  readonly open: (afterSequence: bigint, signal: AbortSignal) => AsyncIterable<WatchSessionResponse>;
  /** The sequence of the last event that was applied. */
  readonly cursor: () => bigint;
  readonly onFrame: (frame: WatchSessionResponse) => Verdict;
  readonly onConnection: (connection: Connection) => void;
  /** The mesh knows fewer events than the cursor says: forget them all. */
  readonly onCursorAhead: () => void;
  /** Ends it all. */
  readonly signal: AbortSignal;
  /** A "wake" event ends a wait before its time, for example because the network is back. */
  readonly wake: EventTarget;
  readonly times?: FollowTimes;
}

export interface FollowTimes {
  /** A stream without any frame for so long is dead, in milliseconds. The mesh sends a heartbeat every 15 s of silence. */
  readonly silenceMs: number;
  /** A stream that lived so long was a good one: the next attempt begins without a wait that grew. */
  readonly healthyMs: number;
}

const TIMES: FollowTimes = { silenceMs: 45_000, healthyMs: 5_000 };

/** Errors that another attempt would only repeat. One that asks for a token is none: the next attempt waits for it. */
const FINAL: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.PermissionDenied,
  Code.Unimplemented,
  Code.FailedPrecondition,
]);

/**
 * Follows a session over as many streams as it takes, each from where the one before ended, until `signal` is aborted or the
 * mesh gives an answer that is final.
 */
export async function followSession(options: FollowOptions): Promise<void> {
  const { signal, wake, times = TIMES } = options;
  let failures = 0;
  while (!signal.aborted) {
    const opened = performance.now();
    const problem = await readStream(options, times);
    if (signal.aborted) {
      return;
    }
    failures = performance.now() - opened >= times.healthyMs ? 1 : failures + 1;
    if (problem?.reason === "CURSOR_AHEAD") {
      options.onCursorAhead();
    } else if (problem && FINAL.has(problem.code)) {
      options.onConnection({ phase: "ended", problem });
      return;
    } else if (problem) {
      options.onConnection({ phase: "reconnecting", problem });
    }
    await pause(waitMs(problem, failures), signal, wake);
  }
}

/** A stream that was merely to be opened anew is opened at once, unless that happens again and again. */
function waitMs(problem: Problem | undefined, failures: number): number {
  if (!problem && failures === 1) {
    return 0;
  }
  return problem?.retryAfterMs ?? backoffMs(failures, STREAM_BACKOFF);
}

/** Reads one stream to its end. Gives the problem that ended it; none when it is merely to be opened anew. */
async function readStream(options: FollowOptions, times: FollowTimes): Promise<Problem | undefined> {
  const stream = new AbortController();
  const stop = () => stream.abort();
  options.signal.addEventListener("abort", stop);
  let watchdog = setTimeout(stop, times.silenceMs);
  try {
    for await (const frame of options.open(options.cursor(), stream.signal)) {
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, times.silenceMs);
      if (options.onFrame(frame) === "watch-anew" || frame.control.case === "goingAway") {
        return undefined;
      }
      options.onConnection({ phase: "live" });
    }
    return CUT;
  } catch (error) {
    return stream.signal.aborted ? SILENT : problemOf(error);
  } finally {
    clearTimeout(watchdog);
    options.signal.removeEventListener("abort", stop);
    stream.abort();
  }
}

const CUT = unreached("The stream ended.");
const SILENT = unreached("Nothing was heard for too long.");

function unreached(message: string): Problem {
  return { code: Code.Unavailable, reason: "", message, metadata: {}, violations: [], retryAfterMs: undefined };
}
