import { memo } from "react";
import { ProblemNote } from "../problems/ProblemNote";
import { problemOfStatus } from "../problems/problem";
import type { Input } from "../session/state";
import styles from "./SaidView.module.css";

/** What a person said to the run at work and the model has not heard yet, or never will. */
export const InputView = memo(function InputView({ input }: { input: Input }) {
  return (
    <>
      <p className={styles.user}>
        <span className={styles.who}>
          {input.returned ? "You added, too late" : "You added; the agent reads it next"}
        </span>
        {input.text}
      </p>
      {input.returned && <ProblemNote problem={problemOfStatus(input.returned)} />}
    </>
  );
});
