import styles from "./OfflineBanner.module.css";

/** Says that no language model is at work, and how to choose one. */
export function OfflineBanner() {
  return (
    <details className={styles.banner}>
      <summary className={styles.summary}>
        <strong>Offline planner:</strong> follows plain instructions; choose a model with <code>MESHWRIGHT_MODEL</code>
      </summary>
      <p>
        It is no language model. To use one, stop the mesh and start it again with the model's name and the key of its
        provider, for example:
      </p>
      <pre>{"MESHWRIGHT_MODEL=openai:gpt-6.1-terra OPENAI_API_KEY=... make run"}</pre>
      <p>README.md tells more under “Models”: other providers, and models on your own machine.</p>
    </details>
  );
}
