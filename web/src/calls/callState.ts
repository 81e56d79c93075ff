import { ToolOutcome } from "../gen/meshwright/v1/tool_pb";
import type { Call } from "../session/state";
import type { IconName } from "../ui/Icon";

/** How a call stands, as it is shown. */
export interface CallState {
  /** The word for it, as in "file.read notes.md, failed". */
  readonly word: string;
  /** undefined while it runs: a spinner takes its place. */
  readonly icon: IconName | undefined;
  readonly tone: "running" | "good" | "bad" | "idle";
}

const RUNNING: CallState = { word: "running", icon: undefined, tone: "running" };

const ENDED: Record<ToolOutcome, CallState> = {
  [ToolOutcome.UNSPECIFIED]: { word: "ended", icon: "question", tone: "idle" },
  [ToolOutcome.SUCCEEDED]: { word: "succeeded", icon: "check", tone: "good" },
  [ToolOutcome.FAILED]: { word: "failed", icon: "cross", tone: "bad" },
  [ToolOutcome.CANCELLED]: { word: "cancelled", icon: "slash", tone: "idle" },
  [ToolOutcome.EXPIRED]: { word: "timed out", icon: "clock", tone: "bad" },
  [ToolOutcome.DENIED]: { word: "denied", icon: "slash", tone: "bad" },
  [ToolOutcome.UNKNOWN]: { word: "outcome unknown", icon: "question", tone: "bad" },
};

/** How a call stands. */
export function callState(call: Call): CallState {
  return call.end ? (ENDED[call.end.outcome] ?? ENDED[ToolOutcome.UNSPECIFIED]) : RUNNING;
}
