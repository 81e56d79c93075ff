import { type ReactNode, useRef, useState } from "react";
import { Icon } from "../ui/Icon";
import styles from "./CodeBlock.module.css";

/** How long a copy is confirmed, in milliseconds. */
const CONFIRM_MS = 1_500;

/** A block of code with a button that copies it. */
export function CodeBlock({ children }: { children?: ReactNode }) {
  const ref = useRef<HTMLPreElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(ref.current?.textContent ?? "");
    setCopied(true);
    setTimeout(() => setCopied(false), CONFIRM_MS);
  };
  return (
    <div className={styles.block}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled with the keyboard, too. */}
      <pre ref={ref} tabIndex={0}>
        {children}
      </pre>
      {/* Outside of secure contexts there is no clipboard to write to. */}
      {"clipboard" in navigator && (
        <button type="button" className={styles.copy} onClick={copy} aria-label={copied ? "Copied" : "Copy code"}>
          <Icon name={copied ? "check" : "copy"} size={14} />
        </button>
      )}
    </div>
  );
}
