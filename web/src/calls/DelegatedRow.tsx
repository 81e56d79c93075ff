import { use } from "react";
import { asksPerson, newsOf, subAgentOf } from "../session/family";
import { CallRow, type CallRowProps } from "./CallRow";
import { FamilyContext } from "./FamilyContext";

/** A call that gave a task to a sub-agent: opens to show all that it does, and by itself when it asks a person. */
export function DelegatedRow(props: CallRowProps) {
  const { runs, show } = use(FamilyContext);
  const run = subAgentOf(runs, props.call.callId);
  if (!run) {
    return <CallRow {...props} />;
  }
  return <CallRow {...props} news={newsOf(run)} urgent={asksPerson(runs, run)} inside={show(run)} />;
}
