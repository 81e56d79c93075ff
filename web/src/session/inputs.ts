import { type SteeringReceipt, SteeringState } from "../gen/meshwright/v1/event_pb";
import type { Input, Run } from "./state";

/** What became of an input: it waits for the model, the model has it (as a message of its own), or it came back. */
export function addReceipt(run: Run, { steeringId, state, text, reason }: SteeringReceipt): Run {
  const key = `steering-${steeringId}`;
  const others = run.entries.filter((entry) => entry.key !== key);
  if (state === SteeringState.APPLIED) {
    return { ...run, entries: others };
  }
  const returned = state === SteeringState.RETURNED ? reason : undefined;
  const input: Input = { kind: "input", key, text, returned };
  return { ...run, entries: [...others, input] };
}
