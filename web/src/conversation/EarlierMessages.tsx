import { type Message, Role } from "../gen/meshwright/v1/event_pb";
import { Markdown } from "../markdown/Markdown";
import styles from "./EarlierMessages.module.css";

/** What is left of runs whose events are no longer kept. */
export function EarlierMessages({ messages }: { messages: readonly Message[] }) {
  return (
    <section className={styles.earlier} aria-label="Earlier">
      <p className={styles.note}>The beginning of this session is no longer kept in full.</p>
      {messages.map((message) => (
        <div key={message.messageId}>
          <h2 className={styles.who}>{message.role === Role.USER ? "Task" : "Agent"}</h2>
          <Markdown text={message.text} grows={false} />
        </div>
      ))}
    </section>
  );
}
