import clsx from "clsx";
import styles from "./Spinner.module.css";

/** Turns while something is at work; a still one stands for something whose end was not heard of. */
export function Spinner({ still = false }: { still?: boolean }) {
  return <span className={clsx(styles.spinner, !still && styles.turning)} aria-hidden="true" />;
}
