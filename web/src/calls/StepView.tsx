import { memo, useMemo } from "react";
import { Artifacts } from "../artifacts/Artifacts";
import { callsText, DELEGATE } from "../session/family";
import { useSession } from "../session/SessionContext";
import type { Step } from "../session/state";
import { durationText, elapsedText } from "../ui/times";
import { useNow } from "../ui/useNow";
import { overlap, spanOf } from "./bars";
import { CallRow, type CallRowProps } from "./CallRow";
import { DelegatedRow } from "./DelegatedRow";
import styles from "./StepView.module.css";

/** How often running calls are drawn again, in milliseconds. */
const TICK_MS = 100;

/** The tool calls of one step: a row each, with bars that show which ran at the same time. */
export const StepView = memo(function StepView({ step, working }: { step: Step; working: boolean }) {
  const { clock } = useSession();
  const { calls } = step;
  const running = working && calls.some((call) => !call.end);
  const now = clock.at(useNow(TICK_MS, running));
  const whole = spanOf(calls, now);
  const length = whole.to - whole.from;
  const several = calls.length > 1;
  const artifacts = useMemo(() => calls.flatMap((call) => call.artifacts), [calls]);
  return (
    <section className={styles.step} aria-label={`Step ${step.step}: ${callsText(calls.length)}`}>
      {several && (
        <header className={styles.header}>
          <span>
            {callsText(calls.length)}
            {overlap(calls, now) && " in parallel"}
          </span>
          <span className={styles.time}>{running ? elapsedText(length) : durationText(length)}</span>
        </header>
      )}
      <ul className={styles.calls}>
        {calls.map((call) => (
          <Row
            key={call.callId}
            call={call}
            whole={several ? whole : undefined}
            now={now}
            working={working}
            news={call.end ? "" : (call.progress?.message ?? "")}
          />
        ))}
      </ul>
      {artifacts.length > 0 && (
        <div className={styles.artifacts}>
          <Artifacts artifacts={artifacts} />
        </div>
      )}
    </section>
  );
});

function Row(props: CallRowProps) {
  return props.call.tool === DELEGATE ? <DelegatedRow {...props} /> : <CallRow {...props} />;
}
