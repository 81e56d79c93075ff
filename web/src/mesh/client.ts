import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { AgentService } from "../gen/meshwright/v1/agent_service_pb";
import type { Credentials } from "../signin/credentials";
import { withToken } from "../signin/interceptor";
import { nameSession } from "./name_session";
import { retryUnary } from "./retry";

/** The agent's verbs over gRPC-Web. */
export type MeshClient = Client<typeof AgentService>;

/** Deadline of a unary call over all its attempts, in milliseconds. */
const CALL_TIMEOUT_MS = 20_000;

/** Given as `timeoutMs`: no deadline, for streams that live as long as somebody looks. */
export const NO_DEADLINE = 0;

/** A client of the mesh at `baseUrl`, such as the page's own origin, that shows the token of whoever is signed in. */
export function connectMesh(baseUrl: string, credentials: Credentials): MeshClient {
  const interceptors = [withToken(credentials), nameSession, retryUnary];
  return createClient(
    AgentService,
    createGrpcWebTransport({ baseUrl, defaultTimeoutMs: CALL_TIMEOUT_MS, interceptors }) as Transport,
  );
}

/** A new identifier for a mutating call; the same one goes with every repetition of that call. */
export function newRequestId(): string {
  // randomUUID exists only in secure contexts, and the gateway may be reached by plain HTTP under another name than localhost.
  if (typeof crypto.randomUUID === "function") {
    return crypto.randomUUID();
  }
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
