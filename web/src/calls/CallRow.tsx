import clsx from "clsx";
import { type ReactNode, useEffect, useId, useState } from "react";
import type { Call } from "../session/state";
import { Icon } from "../ui/Icon";
import { OneLine } from "../ui/OneLine";
import { Spinner } from "../ui/Spinner";
import { durationText, elapsedText } from "../ui/times";
import { barIn, callSpan, type Span } from "./bars";
import { CallDetails } from "./CallDetails";
import styles from "./CallRow.module.css";
import { type CallState, callState } from "./callState";
import { mainArgument } from "./mainArgument";

export interface CallRowProps {
  readonly call: Call;
  /** The time that the track of bars stands for; none where a bar would say nothing. */
  readonly whole: Span | undefined;
  readonly now: number;
  /** The run is at work. */
  readonly working: boolean;
  /** What it is doing just now, in a few words; empty when there is nothing to tell. */
  readonly news: string;
  /** Something in it waits for a person: it opens by itself. */
  readonly urgent?: boolean;
  /** What happens inside of it, shown in place of its result. */
  readonly inside?: ReactNode;
}

/** One tool call: what, how it stands, when and for how long; opens to tell everything. */
export function CallRow({ call, whole, now, working, news, urgent = false, inside }: CallRowProps) {
  const [open, setOpen] = useState(urgent);
  useEffect(() => {
    if (urgent) {
      setOpen(true);
    }
  }, [urgent]);
  const id = useId();
  const state = callState(call);
  const argument = mainArgument(call.arguments);
  return (
    <li>
      <button
        type="button"
        className={clsx(styles.row, whole && styles.withTrack)}
        aria-label={`${[call.tool, argument].filter(Boolean).join(" ")}, ${state.word}`}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => setOpen(!open)}
      >
        <StateSign state={state} still={!working} />
        <span className={styles.what}>
          <span className={styles.tool}>{call.tool}</span>
          {argument && <OneLine text={argument} className={styles.argument} />}
          {!whole && news && <span className={styles.news}>{news}</span>}
        </span>
        {whole && (
          <span className={styles.lane}>
            <Track call={call} whole={whole} now={now} tone={state.tone} />
            {news && <span className={styles.news}>{news}</span>}
          </span>
        )}
        <span className={styles.time}>
          {call.end ? durationText(call.end.durationMs) : elapsedText(now - call.startedAt)}
        </span>
        <span className={clsx(styles.chevron, open && styles.open)}>
          <Icon name="chevron" size={14} />
        </span>
      </button>
      {open && (
        <div id={id} className={styles.details}>
          <CallDetails call={call} inside={inside} />
        </div>
      )}
    </li>
  );
}

function StateSign({ state, still }: { state: CallState; still: boolean }) {
  return (
    <span className={clsx(styles.sign, styles[state.tone])}>
      {state.icon ? <Icon name={state.icon} size={14} /> : <Spinner still={still} />}
    </span>
  );
}

function Track({ call, whole, now, tone }: { call: Call; whole: Span; now: number; tone: CallState["tone"] }) {
  const { left, width } = barIn(whole, callSpan(call, now));
  return (
    <span className={styles.track} aria-hidden="true">
      <span className={clsx(styles.bar, styles[tone])} style={{ left: `${left * 100}%`, width: `${width * 100}%` }} />
    </span>
  );
}
