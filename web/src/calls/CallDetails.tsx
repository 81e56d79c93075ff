import type { ReactNode } from "react";
import { ProblemNote } from "../problems/ProblemNote";
import { problemOfStatus } from "../problems/problem";
import type { Call } from "../session/state";
import { Arguments } from "./Arguments";
import styles from "./CallDetails.module.css";

interface CallDetailsProps {
  readonly call: Call;
  /** Shown in place of the result, which it tells. */
  readonly inside?: ReactNode;
}

/** Everything about a call: its arguments, what it put out, its result, its error. */
export function CallDetails({ call, inside }: CallDetailsProps) {
  const { progress } = call;
  return (
    <div className={styles.details}>
      {call.attempt > 1 && <p className={styles.hint}>Attempt {call.attempt}, after its worker was lost.</p>}
      {Object.keys(call.arguments).length > 0 && (
        <section aria-label="Arguments">
          <h3 className={styles.title}>Arguments</h3>
          <Arguments values={call.arguments} />
        </section>
      )}
      {progress?.output && <Part title="Output" text={progress.output} />}
      {inside ?? <Result call={call} />}
    </div>
  );
}

function Result({ call: { end } }: { call: Call }) {
  const text = end?.result?.text ?? "";
  const origin = end?.result?.untrustedOrigin ?? "";
  return (
    <>
      {text && <Part title={origin ? `Result, from ${origin}` : "Result"} text={text} />}
      {end?.result?.truncated && <p className={styles.hint}>The result was longer; this is its beginning.</p>}
      {end?.error && <ProblemNote problem={problemOfStatus(end.error)} />}
      {end && !text && !end.error && <p className={styles.hint}>It gave no text.</p>}
    </>
  );
}

function Part({ title, text }: { title: string; text: string }) {
  return (
    <section aria-label={title}>
      <h3 className={styles.title}>{title}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled with the keyboard, too. */}
      <pre className={styles.text} tabIndex={0}>
        {text}
      </pre>
    </section>
  );
}
