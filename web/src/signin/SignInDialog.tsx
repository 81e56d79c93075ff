import { type FormEvent, useState } from "react";
import { ProblemNote } from "../problems/ProblemNote";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { DialogBody } from "../ui/DialogBody";
import { type Credentials, tokenIn } from "./credentials";
import styles from "./SignInDialog.module.css";
import { useSignIn } from "./useSignIn";

/** Asks for a token while the mesh wants one; nothing else. */
export function SignInDialog({ credentials }: { credentials: Credentials }) {
  const { asked, problem } = useSignIn(credentials);
  const [text, setText] = useState("");
  const [unusable, setUnusable] = useState(false);
  if (!asked) {
    return null;
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const token = tokenIn(text);
    setUnusable(token === undefined);
    if (token !== undefined) {
      setText("");
      credentials.signIn(token);
    }
  };
  return (
    <Dialog label="Sign in" onClose={() => {}}>
      <form className={styles.form} onSubmit={submit}>
        <DialogBody
          title="Sign in"
          text={
            "This mesh asks who you are. Paste a token; whoever runs the mesh knows where to get one. It stays in this tab " +
            "until the tab is closed."
          }
          buttons={
            <Button look="main" type="submit">
              Sign in
            </Button>
          }
        >
          {problem && <ProblemNote problem={problem} role="alert" />}
          <label className={styles.label}>
            Token
            <input
              className={styles.token}
              type="password"
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          </label>
          {unusable && (
            <p className={styles.unusable} role="alert">
              That is no token: one has neither blanks nor letters with accents, and is not empty.
            </p>
          )}
        </DialogBody>
      </form>
    </Dialog>
  );
}
