import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { problemOf } from "../problems/problem";
import type { Credentials } from "./credentials";

/**
 * Shows the token with every call. Where the mesh asks for one, calls wait until a person has signed in, and what was refused
 * is made again then: whoever made the call need not know. Streams are opened anew by whoever follows them.
 */
export function withToken(credentials: Credentials): Interceptor {
  return (next) => (request) => callUntilTaken(credentials, next, request);
}

type Next = ReturnType<Interceptor>;

async function callUntilTaken(credentials: Credentials, next: Next, request: Parameters<Next>[0]): ReturnType<Next> {
  for (;;) {
    await credentials.ready(request.signal);
    const token = credentials.token;
    show(request.header, token);
    try {
      const response = await next(request);
      return response.stream
        ? { ...response, message: watched(response.message, (error) => tell(credentials, token, error)) }
        : response;
    } catch (error) {
      if (!tell(credentials, token, error) || request.stream || request.signal.aborted) {
        throw error;
      }
    }
  }
}

function show(header: Headers, token: string | undefined): void {
  if (token === undefined) {
    header.delete("authorization");
  } else {
    header.set("authorization", `Bearer ${token}`);
  }
}

/** Whether the error asks for another token; if so, a person learns of it. */
function tell(credentials: Credentials, token: string | undefined, error: unknown): boolean {
  const asks = ConnectError.from(error).code === Code.Unauthenticated;
  if (asks) {
    credentials.refused(token, problemOf(error));
  }
  return asks;
}

/** The messages of a stream, telling of the error that ends it. */
async function* watched<T>(messages: AsyncIterable<T>, onError: (error: unknown) => void): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    onError(error);
    throw error;
  }
}
