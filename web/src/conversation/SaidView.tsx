import { memo } from "react";
import { Markdown } from "../markdown/Markdown";
import type { Said } from "../session/state";
import styles from "./SaidView.module.css";

interface SaidViewProps {
  readonly said: Said;
  /** It is, or may become, the run's answer. */
  readonly isAnswer: boolean;
}

/** What the agent said, as it says it, or what a person said to the run at work. */
export const SaidView = memo(function SaidView({ said, isAnswer }: SaidViewProps) {
  if (said.by === "user") {
    return (
      <p className={styles.user}>
        <span className={styles.who}>You added</span>
        {said.text}
      </p>
    );
  }
  const grows = !said.done;
  return (
    <>
      {said.reasoning && <Reasoning text={said.reasoning} grows={grows && said.text === ""} />}
      {said.text && (
        // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms.
        <div
          role="group"
          aria-label={isAnswer ? "Answer" : "Remark"}
          aria-live={isAnswer ? "polite" : undefined}
          aria-busy={grows}
          className={grows ? styles.growing : undefined}
        >
          <Markdown text={said.text} grows={grows} />
          {said.partial && <p className={styles.partial}>It was cut short here.</p>}
        </div>
      )}
    </>
  );
});

function Reasoning({ text, grows }: { text: string; grows: boolean }) {
  return (
    <details className={styles.reasoning}>
      <summary>
        {grows ? "Thinking" : "Thoughts"}
        <span className={styles.preview}>{preview(text, grows)}</span>
      </summary>
      <p>{text}</p>
    </details>
  );
}

/** A glimpse of the reasoning: where it began, or while it grows, where it is. */
function preview(text: string, grows: boolean): string {
  const lines = text.trim().split("\n");
  return (grows ? lines.at(-1) : lines[0]) ?? "";
}
