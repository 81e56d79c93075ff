import { type Approval, ApprovalState } from "../gen/meshwright/v1/event_pb";
import { withEntry } from "./said";
import type { Run } from "./state";

/** A person is asked. */
export function askPerson(run: Run, approval: Approval): Run {
  const key = approval.approvalId;
  if (indexOf(run, key) !== -1) {
    return run;
  }
  return { ...run, entries: [...run.entries, { kind: "question", key, approval, state: ApprovalState.PENDING }] };
}

/** A question was answered, or nobody will answer it any more. */
export function settleQuestion(run: Run, approvalId: string, state: ApprovalState): Run {
  const index = indexOf(run, approvalId);
  const entry = run.entries[index];
  return entry?.kind === "question" ? withEntry(run, index, { ...entry, state }) : run;
}

function indexOf(run: Run, approvalId: string): number {
  return run.entries.findLastIndex((entry) => entry.kind === "question" && entry.key === approvalId);
}
