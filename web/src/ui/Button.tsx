import clsx from "clsx";
import type { ComponentProps } from "react";
import styles from "./Button.module.css";

type Look = "main" | "plain" | "danger" | "icon";

/** A button in one of the page's looks. One with the `icon` look needs an `aria-label`. */
export function Button({ look = "plain", className, ...rest }: ComponentProps<"button"> & { look?: Look }) {
  return <button type="button" className={clsx(styles.button, styles[look], className)} {...rest} />;
}
