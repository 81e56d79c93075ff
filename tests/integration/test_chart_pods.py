"""How the chart's pods run: hardened, watched, and stopped with time enough."""

from __future__ import annotations

from typing import Any

import pytest

from meshwright.agent.settings import AgentSettings
from meshwright.browser.settings import BrowserSettings
from meshwright.deletion_cost.settings import DeletionCostSettings
from meshwright.gateway.settings import GatewaySettings
from meshwright.serving.health import LIVE
from meshwright.serving.server import CLEAN_UP_SECONDS, DRAIN_HOOK_SECONDS
from meshwright.serving.settings import MeshSettings, documented
from meshwright.site.settings import SiteSettings
from meshwright.tools.settings import ToolSettings
from tests.support.chart import VALUES_FILES, Manifest, Object, nested, render, rendered

SETTINGS: dict[str, type[MeshSettings]] = {
    "agent": AgentSettings,
    "tools": ToolSettings,
    "browser": BrowserSettings,
    "gateway": GatewaySettings,
    "web": SiteSettings,
}
SETTINGS_OF_ALL: dict[str, type[MeshSettings]] = {**SETTINGS, "deletion-cost": DeletionCostSettings}
GRPC_SERVICES = ("agent", "tools", "browser")


def pods(manifest: Manifest) -> list[tuple[str, Object, Object]]:
    """Component, specification and container of each pod."""
    return [
        (pod["metadata"]["labels"]["app.kubernetes.io/component"], pod["spec"], pod["spec"]["containers"][0])
        for pod in manifest.pods.values()
    ]


@pytest.mark.parametrize("name", VALUES_FILES)
def test_pods_have_no_rights_that_they_do_not_need(name: str) -> None:
    for component, spec, container in pods(rendered(name)):
        assert len(spec["containers"]) == 1
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        profile = spec["securityContext"]["seccompProfile"]["type"]
        assert profile == "RuntimeDefault" or (component == "browser" and profile == "Localhost")
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


@pytest.mark.parametrize("name", VALUES_FILES)
def test_pods_mount_nothing_of_their_node(name: str) -> None:
    """With the rights above, what the Pod Security Standard `restricted` asks for."""
    for _, spec, container in pods(rendered(name)):
        kinds = {kind for volume in spec.get("volumes", []) for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
        assert not [port for port in container.get("ports", []) if "hostPort" in port]


@pytest.mark.parametrize("name", VALUES_FILES)
def test_each_component_has_an_identity_of_its_own_and_only_two_ask_for_a_right(name: str) -> None:
    manifest = rendered(name)
    assert all(it["automountServiceAccountToken"] is False for it in manifest.of("ServiceAccount").values())
    rights = (
        manifest.of("Role")
        | manifest.of("ClusterRole")
        | manifest.of("RoleBinding")
        | manifest.of("ClusterRoleBinding")
    )
    assert rights.keys() == {"canary": {"mesh-traffic"}, "production": {"mesh-deletion-cost"}}.get(name, set())
    for component, spec, _ in pods(manifest):
        if component != "test":
            assert spec["serviceAccountName"] == f"mesh-{component}"
            assert spec["serviceAccountName"] in manifest.of("ServiceAccount")


@pytest.mark.parametrize("name", VALUES_FILES)
def test_every_variable_is_a_setting_of_the_service_and_set_once(name: str) -> None:
    for component, _, container in pods(rendered(name)):
        names = [it["name"] for it in container.get("env", [])]
        assert len(names) == len(set(names)), component
        if component in SETTINGS_OF_ALL:
            known = {row.variable for row in documented(SETTINGS_OF_ALL[component])}
            assert set(names) <= known, component


@pytest.mark.parametrize("name", VALUES_FILES)
def test_services_take_the_values_that_the_chart_gives_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for component, _, container in pods(rendered(name)):
        if component not in SETTINGS_OF_ALL:
            continue
        with monkeypatch.context() as patch:
            for it in container["env"]:
                patch.setenv(it["name"], it.get("value", "redis://redis:6379/0"))
            SETTINGS_OF_ALL[component].load()


def test_a_setting_of_the_values_wins_over_the_charts_own() -> None:
    settings = {"MESHWRIGHT_MAX_STEPS": "60", "MESHWRIGHT_LOG_LEVEL": "debug"}
    environment = render(nested(agent__settings=settings)).environment("agent")
    assert settings.items() <= environment.items()


@pytest.mark.parametrize("component", GRPC_SERVICES)
def test_probes_ask_the_service_itself(component: str) -> None:
    (container,) = rendered("default").pods[f"mesh-{component}"]["spec"]["containers"]
    (port,) = (port["containerPort"] for port in container["ports"] if port["name"] == "grpc")
    assert container["livenessProbe"]["grpc"] == {"port": port, "service": LIVE}
    assert container["startupProbe"]["grpc"] == {"port": port, "service": LIVE}
    # The whole, which the drain turns off and which may wait for the store.
    assert container["readinessProbe"]["grpc"] == {"port": port}


def test_agents_that_are_down_do_not_restart_the_gateway() -> None:
    (container,) = rendered("default").pods["mesh-gateway"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["livenessProbe"].keys() & {"tcpSocket", "httpGet"} == {"tcpSocket"}


def serving_on(manifest: Manifest, component: str) -> float:
    """Seconds for which a pod of the component serves as ever after it was told to stop."""
    (container,) = manifest.pods[f"mesh-{component}"]["spec"]["containers"]
    return float(container["lifecycle"]["preStop"]["exec"]["command"][1]) if "lifecycle" in container else 0.0


@pytest.mark.parametrize("component", ["tools", "browser"])
def test_a_pod_serves_on_until_its_callers_have_looked_its_name_up_again(component: str) -> None:
    assert serving_on(rendered("default"), component) > float(
        rendered("default").environment(component)["MESHWRIGHT_CONNECTION_AGE"]
    )
    assert serving_on(render(nested(**{f"{component}__drain": {"lookup": 0}})), component) == 0


@pytest.mark.parametrize("name", VALUES_FILES)
def test_a_pod_that_stops_has_the_time_that_its_service_takes(name: str) -> None:
    manifest = rendered(name)
    for component in GRPC_SERVICES:
        environment = manifest.environment(component)
        # The agent hands its runs over beside the delay.
        leaving = max(
            environment["MESHWRIGHT_DRAIN_DELAY"], environment.get("MESHWRIGHT_HAND_OVER_GRACE", "0"), key=float
        )
        needed = float(leaving) + float(environment["MESHWRIGHT_STOP_GRACE"]) + serving_on(manifest, component)
        patience = manifest.pods[f"mesh-{component}"]["spec"]["terminationGracePeriodSeconds"]
        assert patience > needed + DRAIN_HOOK_SECONDS + CLEAN_UP_SECONDS
    gateway = manifest.pods["mesh-gateway"]["spec"]
    sleep = serving_on(manifest, "gateway")
    drain = float(manifest.environment("gateway")["MESHWRIGHT_GATEWAY_DRAIN_SECONDS"])
    assert gateway["terminationGracePeriodSeconds"] > sleep + drain


def test_runs_may_take_their_time_to_be_handed_over() -> None:
    manifest = render(nested(agent__drain={"delay": 5, "handOver": 60, "grace": 20}))
    assert manifest.environment("agent")["MESHWRIGHT_HAND_OVER_GRACE"] == "60"
    assert manifest.pods["mesh-agent"]["spec"]["terminationGracePeriodSeconds"] == 100


def test_the_drain_of_a_browser_is_as_long_as_the_values_say() -> None:
    manifest = render(nested(browser__drain={"delay": 7, "grace": 1800}))
    assert manifest.pods["mesh-browser"]["spec"]["terminationGracePeriodSeconds"] == 1867
    environment = manifest.environment("browser")
    assert (environment["MESHWRIGHT_DRAIN_DELAY"], environment["MESHWRIGHT_STOP_GRACE"]) == ("7", "1800")


def test_browsers_have_shared_memory_and_the_profile_that_their_sandbox_needs() -> None:
    values = nested(browser__sandbox="on", browser__seccomp__type="Localhost", browser__shm="1Gi")
    manifest = render(values)
    spec = manifest.pods["mesh-browser"]["spec"]
    assert spec["securityContext"]["seccompProfile"] == {
        "type": "Localhost",
        "localhostProfile": "meshwright/chromium.json",
    }
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}} in spec["volumes"]
    assert manifest.environment("browser")["MESHWRIGHT_BROWSER_SANDBOX"] == "on"


@pytest.mark.parametrize("component", [*SETTINGS])
def test_pods_go_where_the_values_say(component: str) -> None:
    wanted: dict[str, Any] = {
        "nodeSelector": {"pool": "agents"},
        "tolerations": [{"key": "pool", "operator": "Exists"}],
        "priorityClassName": "high",
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "podLabels": {"sidecar": "no"},
        "podAnnotations": {"note": "yes"},
        "serviceAccountAnnotations": {"role": "reader"},
    }
    manifest = render({component: wanted})
    pod = manifest.pods[f"mesh-{component}"]
    for key in ("nodeSelector", "tolerations", "priorityClassName"):
        assert pod["spec"][key] == wanted[key]
    assert pod["spec"]["affinity"]["nodeAffinity"] == wanted["affinity"]["nodeAffinity"]
    assert pod["metadata"]["labels"]["sidecar"] == "no"
    assert pod["metadata"]["annotations"] == {"note": "yes"}
    assert manifest.one("ServiceAccount", component)["metadata"]["annotations"] == {"role": "reader"}


@pytest.mark.parametrize("component", [*SETTINGS])
def test_pods_of_a_component_spread_over_zones_and_nodes(component: str) -> None:
    pod = rendered("default").pods[f"mesh-{component}"]
    constraints = pod["spec"]["topologySpreadConstraints"]
    assert [it["topologyKey"] for it in constraints] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    for it in constraints:
        assert it["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
