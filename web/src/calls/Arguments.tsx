import type { JsonObject } from "@bufbuild/protobuf";
import { Fragment } from "react";
import styles from "./Arguments.module.css";

/** The arguments of a call, by name. */
export function Arguments({ values }: { values: JsonObject }) {
  return (
    <dl className={styles.arguments}>
      {Object.entries(values).map(([name, value]) => (
        <Fragment key={name}>
          <dt>{name}</dt>
          <dd>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
