import type { ReactNode } from "react";
import { RunOutcome, type Usage } from "../gen/meshwright/v1/run_pb";
import { ProblemNote } from "../problems/ProblemNote";
import { problemOfStatus } from "../problems/problem";
import { countCalls } from "../session/calls";
import { callsText } from "../session/family";
import type { Run } from "../session/state";
import { Button } from "../ui/Button";
import { durationText } from "../ui/times";
import styles from "./RunEnd.module.css";

const BADGES: Partial<Record<RunOutcome, string>> = {
  [RunOutcome.CANCELLED]: "Stopped",
  [RunOutcome.FAILED]: "Failed",
  [RunOutcome.EXPIRED]: "Out of time",
};

/** How a run ended: nothing but its totals when all is well, else what went wrong. */
export function RunEnd({ run, onAgain }: { run: Run; onAgain?: ((task: string) => void) | undefined }) {
  const badge = BADGES[run.outcome];
  const again = badge && run.task && onAgain && <Button onClick={() => onAgain(run.task)}>Send it again</Button>;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms.
    <footer className={styles.end} role="group" aria-label="Outcome">
      {run.error && <ProblemNote problem={problemOfStatus(run.error)} action={again} />}
      <div className={styles.line}>
        {badge && <span className={styles.badge}>{badge}</span>}
        <Totals run={run} />
        {!run.error && again}
      </div>
    </footer>
  );
}

function Totals({ run }: { run: Run }): ReactNode {
  const calls = run.usage?.toolCalls || countCalls(run);
  const parts = [
    run.durationMs !== undefined && durationText(run.durationMs),
    calls > 0 && callsText(calls),
    ...(run.usage ? usageTexts(run.usage) : []),
  ].filter(Boolean);
  return <span className={styles.totals}>{parts.join(" · ")}</span>;
}

/** The countable parts of a usage: tokens, and what they cost where that is known. */
export function usageTexts(usage: Usage): string[] {
  const tokens = usage.inputTokens + usage.outputTokens;
  const texts = tokens > 0n ? [`${tokens.toLocaleString("en")} tokens`] : [];
  if (usage.costMicros !== undefined && usage.currencyCode) {
    const cost = Number(usage.costMicros) / 1e6;
    const money = { style: "currency", currency: usage.currencyCode, maximumSignificantDigits: 3 } as const;
    texts.push(cost.toLocaleString("en", money));
  }
  return texts;
}
