import { RunOutcome } from "../gen/meshwright/v1/run_pb";
import type { Run } from "../session/state";

const ENDS: Record<RunOutcome, string> = {
  [RunOutcome.UNSPECIFIED]: "",
  [RunOutcome.COMPLETED]: "The agent is done.",
  [RunOutcome.CANCELLED]: "The run was stopped.",
  [RunOutcome.FAILED]: "The run failed.",
  [RunOutcome.EXPIRED]: "The run ran out of time.",
};

const PHASES = { queued: "The task waits for its turn.", active: "The agent is at work." };

/** Tells people who do not see the page how the latest run stands. */
export function RunAnnouncer({ run }: { run: Run | undefined }) {
  const text = run && (run.phase === "finished" ? ENDS[run.outcome] : PHASES[run.phase]);
  return (
    <p role="status" className="visually-hidden">
      {text}
    </p>
  );
}
