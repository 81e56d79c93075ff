import styles from "./Mark.module.css";

/** The sign of Meshwright: two threads over and under two others. */
export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" className={styles.mark} aria-hidden="true">
      <path className={styles.warp} d="M10 4v3M10 15v13M22 4v13M22 25v3" />
      <path className={styles.weft} d="M4 11h13M25 11h3M4 21h3M15 21h13" />
    </svg>
  );
}
