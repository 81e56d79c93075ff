import clsx from "clsx";
import styles from "./OneLine.module.css";

/** The longest end of a text that is never cut, in characters. */
const LONGEST_END = 28;

/** A text on one line. Of an address or a path that is too long the last part stays: there they differ. */
export function OneLine({ text, className }: { text: string; className?: string | undefined }) {
  const cut = text.lastIndexOf("/", text.length - 2);
  const end = cut > 0 && text.length - cut <= LONGEST_END ? text.slice(cut) : "";
  return (
    <span className={clsx(styles.line, className)} title={text}>
      <span className={styles.beginning}>{text.slice(0, text.length - end.length)}</span>
      {end}
    </span>
  );
}
