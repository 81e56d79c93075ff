import { Code } from "@connectrpc/connect";
import type { ErrorReason } from "../gen/meshwright/v1/error_reason_pb";
import type { Problem } from "./problem";

/** A problem in a person's words. */
export interface Sentences {
  /** What is wrong. */
  readonly headline: string;
  /** What to do about it; empty when there is nothing to do. */
  readonly advice: string;
}

type Metadata = Problem["metadata"];
type Advice = string | ((metadata: Metadata) => string);

/** What to do about each reason that a person can do something about. The headline is the mesh's own sentence. */
const ADVICE: Partial<Record<keyof typeof ErrorReason, Advice>> = {
  INVALID_FIELDS: "Correct it and send it again.",
  MESSAGE_TOO_LARGE: "Shorten it, or split it into several tasks.",
  NOT_IMPLEMENTED: "This mesh is older than the page. Update it, or do without this for now.",
  INTERNAL: ({ error_id }) =>
    error_id
      ? `Look for the error id ${error_id} in the mesh's log, and try again.`
      : "Look into the mesh's log, and try again.",
  DEADLINE_EXCEEDED: "Try again. If it happens often, the mesh is overloaded.",
  UNAVAILABLE: "It is starting, stopping or overloaded. Try again in a moment.",
  UNAUTHENTICATED: "Sign in with another token.",
  QUOTA_EXCEEDED: ({ quota, limit }) =>
    quota
      ? `The limit is ${limit ?? "reached"} (${quota}). Wait until something ends, then try again.`
      : "Wait, then try again.",
  SESSION_NOT_FOUND: "It was deleted, or the address is not right. Start a new session.",
  RUN_FINISHED: "There is nothing left to do for it.",
  SESSION_BUSY: "Wait until the running task has ended, or stop it.",
  STEP_LIMIT_REACHED: ({ max_steps }) =>
    `The agent may take ${max_steps ?? "a limited number of"} steps. Send a smaller task, or tell it to go on.`,
  RUN_EXPIRED: "Send a smaller task, or give runs more time.",
  BUDGET_EXHAUSTED: "Send a smaller task, or raise the budget.",
  MODEL_AUTHENTICATION: ({ model }) =>
    `Check the API key for ${model ?? "the model"} in the environment of the mesh, and start the mesh again.`,
  MODEL_NOT_FOUND: ({ model }) =>
    `Check the name ${model ? `"${model}" ` : ""}in MESHWRIGHT_MODEL; it is written provider:model. Then start the mesh again.`,
  MODEL_RATE_LIMITED: "Wait a little and send the task again, or check the account's quota at the provider.",
  MODEL_UNAVAILABLE:
    "Send the task again in a moment. If it stays, check the provider's status and the address in the settings.",
  MODEL_REJECTED:
    "The session may have grown too long for the model, or the task breaks its rules. Try a new session or other words.",
  MODEL_PROTOCOL: "Check that MESHWRIGHT_MODEL and the base URL belong together.",
  TOOL_OUTCOME_UNKNOWN: "Check whether it took effect before repeating it.",
  PATH_OUTSIDE_WORKSPACE: "The agent can reach only the session's workspace and the configured document folders.",
  NO_BROWSER_AVAILABLE: "All browsers are in use. Try again in a moment.",
  INVALID_URL: "Give a full address that begins with http:// or https://.",
  NAVIGATION_FAILED: "Check the address, and that the page can be reached from where the mesh runs.",
  BROWSER_CRASHED: "The mesh has started another one. Send the task again.",
  EGRESS_DENIED: "The mesh's network policy does not allow this address.",
};

/** The headline and the advice for errors that did not come from the mesh itself. */
const BY_CODE: Partial<Record<Code, Sentences>> = {
  [Code.Canceled]: { headline: "It was cancelled.", advice: "" },
  [Code.DeadlineExceeded]: { headline: "The mesh did not answer in time.", advice: "Try again." },
  [Code.Unimplemented]: {
    headline: "Whatever answers here is not this mesh.",
    advice: "Check that the page is opened at the gateway's own address.",
  },
  [Code.Unauthenticated]: { headline: "You are not signed in.", advice: "Sign in with another token." },
  [Code.PermissionDenied]: { headline: "You may not do this.", advice: "" },
  [Code.ResourceExhausted]: { headline: "The mesh has too much to do.", advice: "Wait a little and try again." },
};

const UNREACHABLE: Sentences = {
  headline: "The mesh cannot be reached.",
  advice: "Check your connection, and that the mesh is still running where it was started.",
};

/** The problem in a person's words. */
export function sentencesOf(problem: Problem): Sentences {
  if (problem.reason === "") {
    return BY_CODE[problem.code] ?? UNREACHABLE;
  }
  const advice = (ADVICE as Partial<Record<string, Advice>>)[problem.reason] ?? "";
  return {
    headline: problem.message || "Something went wrong.",
    advice: typeof advice === "string" ? advice : advice(problem.metadata),
  };
}
