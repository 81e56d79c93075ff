import { createRegistry, isMessage, type Message } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb";
import type { Status } from "../gen/google/rpc/status_pb";

/** One field that the mesh did not accept. */
export interface Violation {
  readonly field: string;
  /** What the field must be, in words that follow its path. */
  readonly description: string;
}

/** An error of the mesh, of a call or of a run, with its google.rpc details taken apart. */
export interface Problem {
  readonly code: Code;
  /** Name of the ErrorReason without its prefix, such as `SESSION_NOT_FOUND`; empty when the mesh itself did not answer. */
  readonly reason: string;
  /** The mesh's sentence about it. */
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly Violation[];
  /** How long to wait before trying again, where the mesh says so. */
  readonly retryAfterMs: number | undefined;
}

const DETAILS = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** The problem behind whatever a call threw. */
export function problemOf(error: unknown): Problem {
  const connectError = ConnectError.from(error);
  return assemble(connectError.code, connectError.rawMessage, connectError.findDetails(DETAILS));
}

/** The problem that a Status inside an event tells. */
export function problemOfStatus(status: Status): Problem {
  const details = status.details.map((detail) => anyUnpack(detail, DETAILS));
  return assemble(
    status.code,
    status.message,
    details.filter((detail) => detail !== undefined),
  );
}

function assemble(code: Code, message: string, details: readonly Message[]): Problem {
  const info = details.find((detail) => isMessage(detail, ErrorInfoSchema));
  const badRequest = details.find((detail) => isMessage(detail, BadRequestSchema));
  const retryDelay = details.find((detail) => isMessage(detail, RetryInfoSchema))?.retryDelay;
  return {
    code,
    reason: info?.reason ?? "",
    message,
    metadata: info?.metadata ?? {},
    violations: (badRequest?.fieldViolations ?? []).map(({ field, description }) => ({ field, description })),
    retryAfterMs: retryDelay && durationMs(retryDelay),
  };
}
