import clsx from "clsx";
import type { ReactNode } from "react";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import styles from "./PageHeader.module.css";
import { useDrawer } from "./useDrawer";

/** The line above a page: what it is about, and on a phone the way to the sessions. */
export function PageHeader({ title, children }: { title: string; children?: ReactNode }) {
  const drawer = useDrawer();
  return (
    <header className={clsx(styles.header, title && styles.titled)}>
      {drawer && (
        <Button look="icon" aria-label="Sessions" onClick={drawer.open}>
          <Icon name="menu" size={18} />
        </Button>
      )}
      {title && <h1 className={styles.title}>{title}</h1>}
      {children}
    </header>
  );
}
