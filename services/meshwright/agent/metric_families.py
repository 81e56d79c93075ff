"""The agent's metrics, as the reference lists them."""

from __future__ import annotations

from meshwright.serving.metrics import SLOW, Family

OTHER = "other"
"""The label of whatever has none of its own, so that no caller can make labels without end."""

RUNS_QUEUED = Family(
    "gauge",
    "meshwright_runs_queued",
    "Runs in the store that a worker of this track could begin at once. Every agent of a track tells the same number.",
    ("track",),
)
RUNS_ACTIVE = Family("gauge", "meshwright_runs_active", "Runs at work in this process.")
RUNS_FINISHED = Family(
    "counter",
    "meshwright_runs_finished_total",
    "Runs that ended here, by outcome (completed, failed, cancelled, expired) and by the track that accepted them (stable, canary).",
    ("outcome", "track"),
)
RUN_SECONDS = Family(
    "histogram", "meshwright_run_duration_seconds", "From the start of a run to its end.", ("track",), SLOW
)
TAKEOVERS = Family(
    "counter", "meshwright_run_takeovers_total", "Runs that were taken over from a worker that died or left."
)
CLAIMS_LOST = Family(
    "counter", "meshwright_claims_lost_total", "Runs that another worker had claimed while this one still held them."
)
STEPS = Family("counter", "meshwright_model_steps_total", "Model steps of all runs.")
MODEL_REQUESTS = Family(
    "counter",
    "meshwright_model_requests_total",
    "Requests to models, by outcome: ok, cancelled, or the reason of the error.",
    ("model", "outcome"),
)
FIRST_TOKEN_SECONDS = Family(
    "histogram",
    "meshwright_model_first_token_seconds",
    "From a request to a model to the first part of its answer.",
    ("model",),
    SLOW,
)
TOKENS = Family(
    "counter",
    "meshwright_model_tokens_total",
    "Tokens: input, output, and what of these was cached_input or reasoning.",
    ("model", "kind"),
)
COST = Family(
    "counter",
    "meshwright_model_cost_total",
    "List price of the tokens, in units of the currency.",
    ("model", "currency"),
)
TOOL_CALLS = Family("counter", "meshwright_tool_calls_total", "Tool calls of runs, by outcome.", ("tool", "outcome"))
TOOL_CALL_SECONDS = Family(
    "histogram", "meshwright_tool_call_duration_seconds", "How long tools worked on a call.", ("tool",), SLOW
)
APPROVALS_PENDING = Family(
    "gauge", "meshwright_approvals_pending", "Questions of the runs at work here that wait for a person."
)
WATCHERS = Family("gauge", "meshwright_watchers", "Streams that follow a session.")
WATCHERS_CUT_OFF = Family(
    "counter",
    "meshwright_watchers_cut_off_total",
    "Watchers that fell too far behind and were sent back to their cursor.",
)
DELIVERY_SECONDS = Family(
    "histogram",
    "meshwright_event_delivery_seconds",
    "From the making of an event to its having been written to a live watcher, commit included. A sample of 20 a second at most. "
    "Between replicas their clocks' difference is in it.",
)
APPEND_SECONDS = Family(
    "histogram", "meshwright_store_append_duration_seconds", "From an append of a run to its being durable."
)
APPEND_FAILURES = Family(
    "counter", "meshwright_store_append_failures_total", "Appends that failed, by reason.", ("reason",)
)
FAMILIES = (
    RUNS_QUEUED,
    RUNS_ACTIVE,
    RUNS_FINISHED,
    RUN_SECONDS,
    TAKEOVERS,
    CLAIMS_LOST,
    STEPS,
    MODEL_REQUESTS,
    FIRST_TOKEN_SECONDS,
    TOKENS,
    COST,
    TOOL_CALLS,
    TOOL_CALL_SECONDS,
    APPROVALS_PENDING,
    WATCHERS,
    WATCHERS_CUT_OFF,
    DELIVERY_SECONDS,
    APPEND_SECONDS,
    APPEND_FAILURES,
)
