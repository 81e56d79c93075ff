import { create } from "@bufbuild/protobuf";
import { type Any, anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb";
import { type Status, StatusSchema } from "../../src/gen/google/rpc/status_pb";

/** What an error of the mesh carries besides its code and message. */
export interface Details {
  readonly reason?: string;
  readonly metadata?: Record<string, string>;
  readonly violations?: { field: string; description: string }[];
  readonly retryAfterMs?: number;
}

/** A Status as the mesh puts it into events. */
export function meshStatus(code: Code, message: string, details: Details = {}): Status {
  return create(StatusSchema, { code, message, details: pack(details) });
}

/** An error as the mesh's calls end with. */
export function meshError(code: Code, message: string, details: Details = {}): ConnectError {
  const error = new ConnectError(message, code);
  error.details = pack(details).map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}

/** The session does not exist. */
export function sessionNotFound(sessionId: string): ConnectError {
  return meshError(Code.NotFound, "No such session.", {
    reason: "SESSION_NOT_FOUND",
    metadata: { session_id: sessionId },
  });
}

function pack({ reason = "", metadata = {}, violations, retryAfterMs }: Details): Any[] {
  const packed = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: "meshwright", metadata }))];
  if (violations) {
    packed.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: violations })));
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(retryAfterMs);
    packed.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  return packed;
}
