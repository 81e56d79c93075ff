"""What the Grafana dashboard shows, from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

AGENT, TOOLS, BROWSER = (f'namespace="$namespace", service="${{mesh}}-{it}"' for it in ("agent", "tools", "browser"))
SERVICES = 'namespace="$namespace", service=~"${mesh}-(agent|tools|browser)"'


class Panel(NamedTuple):
    """A picture of one or several expressions over time."""

    title: str
    meaning: str
    queries: Sequence[tuple[str, str]]
    """Legend and expression of each."""
    unit: str = "short"
    stacked: bool = False


def quantiles(metric: str, selector: str, *, by: str = "") -> list[tuple[str, str]]:
    """Median, 95th and 99th percentile of a histogram; of each `by` the 95th alone."""
    grouped = f"sum by (le{', ' if by else ''}{by}) (rate({metric}_bucket{{{selector}}}[$__rate_interval]))"
    wanted = (("{{" + by + "}}", 0.95),) if by else (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    return [(legend, f"histogram_quantile({share}, {grouped})") for legend, share in wanted]


def rate(metric: str, selector: str, by: str) -> list[tuple[str, str]]:
    """A counter's growth in a second, by a label."""
    return [("{{" + by + "}}", f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))")]


def now(legend: str, metric: str, selector: str, by: str = "") -> tuple[str, str]:
    """A gauge, summed up."""
    return legend, f"sum{f' by ({by}) ' if by else ''}({metric}{{{selector}}})"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Runs": (
        Panel(
            "Runs by outcome",
            "Runs that ended, in a second.",
            rate("meshwright_runs_finished_total", AGENT, "outcome"),
            "ops",
            stacked=True,
        ),
        Panel(
            "Failed runs by track",
            "What part of the runs that end fails, for what the stable track accepted and for the canary's.",
            [
                (
                    "{{track}}",
                    f'sum by (track) (rate(meshwright_runs_finished_total{{{AGENT}, outcome="failed"}}[$__rate_interval])) / '
                    f"sum by (track) (rate(meshwright_runs_finished_total{{{AGENT}}}[$__rate_interval]))",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Runs at work and waiting",
            "Waiting ones have no agent yet; all agents of a track tell the same number of them.",
            [
                now("at work", "meshwright_runs_active", AGENT),
                ("waiting, {{track}}", f"max by (track) (meshwright_runs_queued{{{AGENT}}})"),
                now("questions to people", "meshwright_approvals_pending", AGENT),
            ],
        ),
        Panel(
            "Wait for an agent",
            "How long the runs that wait will do so at the pace at which runs end.",
            [
                (
                    "wait",
                    f"max(meshwright_runs_queued{{{AGENT}}}) / "
                    f"clamp_min(sum(rate(meshwright_runs_finished_total{{{AGENT}}}[$__rate_interval])), 0.001)",
                )
            ],
            "s",
        ),
        Panel("Duration of runs", "From start to end.", quantiles("meshwright_run_duration_seconds", AGENT), "s"),
        Panel(
            "Takeovers and lost claims",
            "Runs that went to another agent, in an hour: after an upgrade some, otherwise none.",
            [
                ("taken over", f"sum(increase(meshwright_run_takeovers_total{{{AGENT}}}[1h]))"),
                ("claims lost", f"sum(increase(meshwright_claims_lost_total{{{AGENT}}}[1h]))"),
            ],
        ),
        Panel(
            "Runs at work by pod",
            "Whether agents share the work.",
            [now("{{pod}}", "meshwright_runs_active", AGENT, "pod")],
        ),
    ),
    "Models": (
        Panel(
            "Time to first token (p95)",
            "From a request to the first part of its answer.",
            quantiles("meshwright_model_first_token_seconds", AGENT, by="model"),
            "s",
        ),
        Panel(
            "Tokens",
            "In a second; cached input and reasoning are parts of input and output.",
            rate("meshwright_model_tokens_total", AGENT, "kind"),
        ),
        Panel(
            "Cost of a day",
            "List price of the last 24 hours' tokens.",
            [
                (
                    "{{model}} ({{currency}})",
                    f"sum by (model, currency) (increase(meshwright_model_cost_total{{{AGENT}}}[1d]))",
                )
            ],
        ),
        Panel(
            "Requests by outcome",
            "ok, cancelled, or the reason of the error.",
            rate("meshwright_model_requests_total", AGENT, "outcome"),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Failed requests by model",
            "The part of the requests to each model that failed.",
            [
                (
                    "{{model}}",
                    f'sum by (model) (rate(meshwright_model_requests_total{{{AGENT}, outcome!~"ok|cancelled"}}'
                    f"[$__rate_interval])) / sum by (model) "
                    f"(rate(meshwright_model_requests_total{{{AGENT}}}[$__rate_interval]))",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Steps of runs",
            "Steps in a second.",
            [("steps", f"sum(rate(meshwright_model_steps_total{{{AGENT}}}[$__rate_interval]))")],
            "ops",
        ),
    ),
    "Tools": (
        Panel(
            "Tool calls by outcome",
            "Calls of runs, in a second.",
            rate("meshwright_tool_calls_total", AGENT, "outcome"),
            "ops",
            stacked=True,
        ),
        Panel(
            "Calls that did not succeed",
            "By tool, in a second.",
            rate("meshwright_tool_calls_total", f'{AGENT}, outcome!~"succeeded|cancelled"', "tool"),
            "ops",
        ),
        Panel(
            "Duration by tool (p95)",
            "How long tools worked on a call.",
            quantiles("meshwright_tool_call_duration_seconds", AGENT, by="tool"),
            "s",
        ),
        Panel(
            "Calls at work and waiting",
            "Waiting ones want their turn on a tab or a file, or a free place.",
            [
                now("at work", "meshwright_tool_running_calls", TOOLS),
                now("waiting", "meshwright_tool_waiting_calls", TOOLS),
            ],
        ),
        Panel(
            "Wait of calls",
            "From a call's arrival to its beginning.",
            quantiles("meshwright_tool_wait_seconds", TOOLS),
            "s",
        ),
    ),
    "Browsers": (
        Panel(
            "Utilisation",
            "Leased and waited for, of the capacity. From 100 % on callers wait.",
            [
                (
                    "of all",
                    f"sum(meshwright_browser_leased{{{BROWSER}}} + meshwright_browser_queued{{{BROWSER}}}) / "
                    f"sum(meshwright_browser_capacity{{{BROWSER}}})",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Leases",
            "Held, waited for, ready, and at most.",
            [
                now("held", "meshwright_browser_leased", BROWSER),
                now("waited for", "meshwright_browser_queued", BROWSER),
                now("ready", "meshwright_browser_ready", BROWSER),
                now("capacity", "meshwright_browser_capacity", BROWSER),
            ],
        ),
        Panel(
            "Wait for a lease",
            "Of those who got one.",
            quantiles("meshwright_browser_lease_wait_seconds", BROWSER),
            "s",
        ),
        Panel(
            "Leases, warm or not",
            "In a second; warm ones stood ready before they were asked for. Who is sent on asks another pod.",
            [
                (
                    "warm: {{warm}}",
                    f"sum by (warm) (rate(meshwright_browser_leases_total{{{BROWSER}}}[$__rate_interval]))",
                ),
                ("refused", f"sum(rate(meshwright_browser_refused_total{{{BROWSER}}}[$__rate_interval]))"),
                ("sent on", f"sum(rate(meshwright_browser_sent_on_total{{{BROWSER}}}[$__rate_interval]))"),
            ],
            "ops",
        ),
        Panel(
            "Chromium processes",
            "Running, and in an hour crashed and replaced.",
            [
                now("running", "meshwright_browser_processes", BROWSER),
                ("crashed", f"sum(increase(meshwright_browser_crashes_total{{{BROWSER}}}[1h]))"),
                ("replaced", f"sum(increase(meshwright_browser_recycles_total{{{BROWSER}}}[1h]))"),
            ],
        ),
        Panel(
            "Egress",
            "Requests of pages that the egress rules refused, in an hour.",
            [("refused", f"sum(increase(meshwright_browser_egress_denied_total{{{BROWSER}}}[1h]))")],
        ),
    ),
    "Events and watchers": (
        Panel(
            "Event latency",
            "From the making of an event to its having been written to a watcher.",
            quantiles("meshwright_event_delivery_seconds", AGENT),
            "s",
        ),
        Panel(
            "Watchers by pod", "Streams that follow a session.", [now("{{pod}}", "meshwright_watchers", AGENT, "pod")]
        ),
        Panel(
            "Watchers cut off",
            "In an hour: they fell too far behind and came back by their cursor.",
            [("cut off", f"sum(increase(meshwright_watchers_cut_off_total{{{AGENT}}}[1h]))")],
        ),
    ),
    "Store": (
        Panel(
            "Time of an append",
            "From an append of a run to its being durable.",
            quantiles("meshwright_store_append_duration_seconds", AGENT),
            "s",
        ),
        Panel(
            "Appends",
            "In a second; one carries the tokens that came meanwhile.",
            [("appends", f"sum(rate(meshwright_store_append_duration_seconds_count{{{AGENT}}}[$__rate_interval]))")],
            "ops",
        ),
        Panel(
            "Failed appends",
            "In a second, by reason.",
            rate("meshwright_store_append_failures_total", AGENT, "reason"),
            "ops",
        ),
    ),
    "Calls and processes": (
        Panel(
            "Calls by status",
            "Ended calls of all services, in a second.",
            rate("meshwright_rpc_handled_total", SERVICES, "code"),
            "reqps",
            stacked=True,
        ),
        Panel(
            "Errors by method",
            "Without those that callers cause. Callers whom a browser pod sends on to another are RESOURCE_EXHAUSTED there.",
            rate(
                "meshwright_rpc_handled_total",
                f'{SERVICES}, code=~"INTERNAL|UNKNOWN|DATA_LOSS|UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED"',
                "method",
            ),
            "reqps",
        ),
        Panel(
            "Duration of unary calls (p95)",
            "By method.",
            quantiles("meshwright_rpc_duration_seconds", SERVICES, by="method"),
            "s",
        ),
        Panel(
            "Open streams",
            "By method.",
            [now("{{method}}", "meshwright_rpc_open_streams", SERVICES, "method")],
        ),
        Panel(
            "Memory",
            "Of each process; of browser pods without Chromium's.",
            [("{{pod}}", f"max by (pod) (process_resident_memory_bytes{{{SERVICES}}})")],
            "bytes",
        ),
        Panel(
            "CPU",
            "Cores that each process keeps busy.",
            [("{{pod}}", f"sum by (pod) (rate(process_cpu_seconds_total{{{SERVICES}}}[$__rate_interval]))")],
        ),
    ),
}
