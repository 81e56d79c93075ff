import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import {
  type WatchSessionRequest,
  type WatchSessionResponse,
  WatchSessionResponseSchema,
} from "../../src/gen/meshwright/v1/agent_service_pb";
import { meshError, sessionNotFound } from "./errors";
import type { ScriptedSession } from "./session";

const MOST_EVENTS = 256;
const HEARTBEAT_MS = 15_000;

/** Serves WatchSession on one scripted session until the client leaves. */
export async function* watch(
  session: ScriptedSession,
  request: WatchSessionRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchSessionResponse> {
  const { log } = session;
  let cursor = request.afterSequence;
  if (cursor > log.last) {
    throw meshError(Code.OutOfRange, "The cursor lies after the last event.", { reason: "CURSOR_AHEAD" });
  }
  yield control({ case: "attached", value: { session: session.describe(), created: false } });
  const caughtUpAt = log.last;
  let caughtUp = false;
  while (!signal.aborted) {
    const changed = log.nextChange();
    const events = log.after(cursor).slice(0, MOST_EVENTS);
    if (events.length > 0) {
      cursor += BigInt(events.length);
      yield create(WatchSessionResponseSchema, { events });
    }
    if (!caughtUp && cursor >= caughtUpAt) {
      caughtUp = true;
      yield control({ case: "caughtUp", value: { cursor } });
    }
    if (cursor < log.last) {
      continue;
    }
    if (!(await happens(changed, signal))) {
      yield control({ case: "heartbeat", value: { time: timestampNow(), cursor } });
    }
    if (session.deleted) {
      throw sessionNotFound(log.sessionId);
    }
  }
}

/** A frame without events. */
export function control(
  value: NonNullable<MessageInitShape<typeof WatchSessionResponseSchema>["control"]>,
): WatchSessionResponse {
  return create(WatchSessionResponseSchema, { control: value });
}

/** Waits for `change`, the end of the stream or the time of a heartbeat; false for the latter. */
async function happens(change: Promise<void>, signal: AbortSignal): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let left = () => {};
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, HEARTBEAT_MS, false);
    left = () => resolve(true);
    signal.addEventListener("abort", left);
  });
  try {
    return await Promise.race([change.then(() => true), silence]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", left);
  }
}
