import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { problemOf } from "../problems/problem";
import { backoffMs, CALL_BACKOFF, pause } from "./backoff";

/** Attempts of one unary call, the first included. */
export const CALL_ATTEMPTS = 4;

/**
 * Repeats unary calls that did not get through. Reads are harmless to repeat and every mutating call carries a request_id, so
 * the mesh does nothing twice. The call's own deadline covers all attempts.
 */
export const retryUnary: Interceptor = (next) => async (request) => {
  if (request.stream) {
    return await next(request);
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (error) {
      if (attempt === CALL_ATTEMPTS || request.signal.aborted || !isUnreachable(error)) {
        throw error;
      }
      await pause(problemOf(error).retryAfterMs ?? backoffMs(attempt, CALL_BACKOFF), request.signal);
    }
  }
};

/** Whether the mesh could not be reached at all, so that nothing is known to be wrong with the call itself. */
export function isUnreachable(error: unknown): boolean {
  const { code, cause } = ConnectError.from(error);
  return code === Code.Unavailable || (code === Code.Unknown && cause instanceof TypeError);
}
