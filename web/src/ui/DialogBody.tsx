import type { ReactNode } from "react";
import styles from "./DialogBody.module.css";

interface DialogBodyProps {
  readonly title: string;
  readonly text: ReactNode;
  readonly buttons: ReactNode;
  /** What stands between the text and the buttons. */
  readonly children?: ReactNode;
}

/** What a dialog says that asks for something: a title, why, and the buttons to answer with. */
export function DialogBody({ title, text, buttons, children }: DialogBodyProps) {
  return (
    <div className={styles.body}>
      <h2 className={styles.title}>{title}</h2>
      <p className={styles.text}>{text}</p>
      {children}
      <div className={styles.buttons}>{buttons}</div>
    </div>
  );
}
