import { Code } from "@connectrpc/connect";
import clsx from "clsx";
import type { ReactNode } from "react";
import styles from "./ProblemNote.module.css";
import type { Problem } from "./problem";
import { sentencesOf } from "./sentences";

interface ProblemNoteProps {
  readonly problem: Problem;
  /** What a person can do right here, such as a button that tries again. */
  readonly action?: ReactNode;
  readonly role?: "alert";
  readonly className?: string | undefined;
}

/** A problem in a person's words, with what to do about it; what the mesh said exactly stands behind a disclosure. */
export function ProblemNote({ problem, action, role, className }: ProblemNoteProps) {
  const { headline, advice } = sentencesOf(problem);
  return (
    <div className={clsx(styles.note, className)} role={role}>
      <p className={styles.headline}>{headline}</p>
      {problem.violations.length > 0 && (
        <ul className={styles.violations}>
          {problem.violations.map(({ field, description }) => (
            <li key={`${field} ${description}`}>
              <code>{field}</code> {description}
            </li>
          ))}
        </ul>
      )}
      {advice && <p className={styles.advice}>{advice}</p>}
      {action}
      <details className={styles.details}>
        <summary>Details</summary>
        <pre>{exactly(problem)}</pre>
      </details>
    </div>
  );
}

function exactly({ code, reason, message, metadata }: Problem): string {
  const lines = Object.entries(metadata).map(([key, value]) => `${key}: ${value}`);
  return [[Code[code], reason].filter(Boolean).join(" "), message, ...lines].filter(Boolean).join("\n");
}
