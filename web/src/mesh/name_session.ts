import type { Interceptor } from "@connectrpc/connect";

/** Which session a call is about, for gateways that share sessions out between versions of the agent. */
export const SESSION_HEADER = "x-meshwright-session";

/** Names the session with every call about one, so that all of them go to one version of the agent. */
export const nameSession: Interceptor = (next) => async (request) => {
  if (!request.stream) {
    name(request.header, request.message);
    return await next(request);
  }
  // A stream of the page asks with one message.
  const messages = request.message[Symbol.asyncIterator]();
  const first = await messages.next();
  if (!first.done) {
    name(request.header, first.value);
  }
  return await next({ ...request, message: continued(first, messages) });
};

function name(header: Headers, message: object): void {
  if ("sessionId" in message && typeof message.sessionId === "string" && message.sessionId !== "") {
    header.set(SESSION_HEADER, message.sessionId);
  }
}

/** What an iterator gives, the result that was taken out of it included. */
async function* continued<T>(first: IteratorResult<T>, rest: AsyncIterator<T>): AsyncIterable<T> {
  for (let result = first; !result.done; result = await rest.next()) {
    yield result.value;
  }
}
