import { SteeringMode } from "../gen/meshwright/v1/run_pb";
import styles from "./WhenBusy.module.css";

const CHOICES = [
  [SteeringMode.ENQUEUE, "After this task"],
  [SteeringMode.STEER, "To this task"],
  [SteeringMode.INTERRUPT, "To this task, at once"],
] as const;

interface WhenBusyProps {
  readonly chosen: SteeringMode;
  readonly onChoose: (mode: SteeringMode) => void;
}

/** What becomes of a text that is sent while a run is at work. */
export function WhenBusy({ chosen, onChoose }: WhenBusyProps) {
  return (
    <select
      className={styles.choice}
      aria-label="While the agent works, send"
      value={chosen}
      onChange={(event) => onChoose(Number(event.target.value))}
    >
      {CHOICES.map(([mode, label]) => (
        <option key={mode} value={mode}>
          {label}
        </option>
      ))}
    </select>
  );
}
