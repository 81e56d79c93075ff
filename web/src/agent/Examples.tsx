import { Icon } from "../ui/Icon";
import styles from "./Examples.module.css";

interface ExamplesProps {
  readonly tasks: readonly string[];
  readonly disabled: boolean;
  readonly onChoose: (task: string) => void;
}

/** Tasks that work right away; a click sends one. */
export function Examples({ tasks, disabled, onChoose }: ExamplesProps) {
  if (tasks.length === 0) {
    return null;
  }
  return (
    <section aria-label="Example tasks">
      <h2 className={styles.title}>Try one of these</h2>
      <ul className={styles.list}>
        {tasks.map((task) => (
          <li key={task}>
            <button type="button" className={styles.example} disabled={disabled} onClick={() => onChoose(task)}>
              <span>{task}</span>
              <Icon name="right" size={14} />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
