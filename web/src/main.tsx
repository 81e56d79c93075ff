import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./styles/tokens.css";
import "./styles/base.css";
import { App } from "./App";
import { connectMesh } from "./mesh/client";
import { Credentials } from "./signin/credentials";

const root = document.getElementById("root");
if (root) {
  const credentials = new Credentials();
  createRoot(root).render(
    <StrictMode>
      <App mesh={connectMesh(location.origin, credentials)} credentials={credentials} />
    </StrictMode>,
  );
}
