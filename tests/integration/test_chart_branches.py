"""Every choice that the values offer, and what the chart makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from helm_python import Chart

from meshwright.gateway.traffic_file import TrafficFile
from tests.support.chart import FOLDER, Manifest, Object, nested, render, rendered

AUTH = {
    "enabled": True,
    "jwksUrl": "https://login.example.com/keys",
    "issuer": "https://login.example.com/",
    "audience": "meshwright",
    "meshKeySecret": {"name": "mesh-key"},
}
SHARED = {"volume": {"accessMode": "ReadWriteMany"}}
CANARY = {"enabled": True, "weight": 10, "image": {"tag": "0.2.0"}}


def volumes(manifest: Manifest, name: str) -> dict[str, Object]:
    return {it["name"]: it for it in manifest.pods[f"mesh-{name}"]["spec"]["volumes"]}


# Sessions: the store.


def test_by_default_a_redis_of_the_release_keeps_sessions() -> None:
    manifest = rendered("default")
    assert manifest.environment("agent")["MESHWRIGHT_STORE_URL"] == "redis://mesh-redis:6379/0"
    redis = manifest.one("StatefulSet", "redis")["spec"]
    (container,) = redis["template"]["spec"]["containers"]
    arguments = container["args"]
    assert arguments[arguments.index("--appendonly") + 1] == "yes"
    assert arguments[arguments.index("--maxmemory-policy") + 1] == "noeviction"
    assert redis["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "4Gi"


def test_a_redis_without_persistence_has_no_claim() -> None:
    redis = render(nested(redis__persistence__enabled=False)).one("StatefulSet", "redis")["spec"]
    assert "volumeClaimTemplates" not in redis
    assert redis["template"]["spec"]["volumes"] == [{"name": "data", "emptyDir": {}}]


def test_a_redis_of_ones_own_is_named_by_its_address() -> None:
    manifest = render(nested(redis__bundled=False, redis__url="rediss://redis.data:6380/1"))
    assert manifest.environment("agent")["MESHWRIGHT_STORE_URL"] == "rediss://redis.data:6380/1"
    assert not manifest.of("StatefulSet")
    assert "mesh-redis" not in manifest.of("Service") | manifest.of("ServiceAccount") | manifest.of("NetworkPolicy")


def test_an_address_with_a_password_comes_from_a_secret() -> None:
    manifest = render(nested(redis__bundled=False, redis__urlSecret={"name": "redis", "key": "address"}))
    reference = manifest.environment("agent")["MESHWRIGHT_STORE_URL"]
    assert reference == {"secretKeyRef": {"name": "redis", "key": "address"}}


def test_without_a_redis_a_file_keeps_sessions_and_two_agents_never_meet() -> None:
    manifest = rendered("minimal")
    assert "MESHWRIGHT_STORE_URL" not in manifest.environment("agent")
    assert manifest.one("Deployment", "agent")["spec"]["strategy"] == {"type": "Recreate"}
    assert volumes(manifest, "agent")["data"]["persistentVolumeClaim"] == {"claimName": "mesh-files"}


# Files.


def test_agent_and_tools_share_a_volume_on_one_node() -> None:
    manifest = rendered("default")
    for name in ("agent", "tools"):
        assert volumes(manifest, name)["data"]["persistentVolumeClaim"] == {"claimName": "mesh-files"}
        pod = manifest.pods[f"mesh-{name}"]
        (near,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert near["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert "affinity" not in manifest.pods["mesh-browser"]["spec"]


def test_the_volume_outlives_the_release() -> None:
    claim = rendered("default").one("PersistentVolumeClaim", "files")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_a_volume_that_many_nodes_mount_binds_nobody_to_one() -> None:
    manifest = render({"files": SHARED, "tools": {"replicas": 2}})
    assert "affinity" not in manifest.pods["mesh-tools"]["spec"]
    assert manifest.one("PersistentVolumeClaim", "files")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_claim_that_is_there_is_used() -> None:
    manifest = render(nested(files__volume__existingClaim="mine"))
    assert not manifest.of("PersistentVolumeClaim")
    assert volumes(manifest, "tools")["data"]["persistentVolumeClaim"] == {"claimName": "mine"}


def test_with_redis_and_an_object_store_agents_need_no_volume() -> None:
    manifest = render(nested(files__url="s3://artifacts/mesh", files__credentialsSecret="s3"))
    for name in ("agent", "tools"):
        assert manifest.environment(name)["MESHWRIGHT_FILES_URL"] == "s3://artifacts/mesh"
        assert {"secretRef": {"name": "s3"}} in manifest.pods[f"mesh-{name}"]["spec"]["containers"][0]["envFrom"]
    assert "emptyDir" in volumes(manifest, "agent")["data"]
    assert "persistentVolumeClaim" in volumes(manifest, "tools")["data"]


# Models and login.


def test_keys_of_models_reach_the_agent_alone() -> None:
    manifest = render(
        nested(model__keysSecret="keys", model__name="openai:gpt-6.1-terra", model__openaiBaseUrl="http://vllm/v1")
    )
    holders = [
        name for name, pod in manifest.pods.items() if "keys" in str(pod["spec"]["containers"][0].get("envFrom"))
    ]
    assert holders == ["mesh-agent"]
    environment = manifest.environment("agent")
    assert environment["MESHWRIGHT_MODEL"] == "openai:gpt-6.1-terra"
    assert environment["MESHWRIGHT_OPENAI_BASE_URL"] == "http://vllm/v1"


def test_flags_come_from_a_config_map_that_may_change() -> None:
    manifest = render({"files": SHARED, "canary": CANARY, "flags": {"configMap": {"name": "mesh-flags"}}})
    for name in ("agent", "agent-canary"):
        assert manifest.environment(name)["MESHWRIGHT_FLAGS_FILE"] == "/etc/meshwright/flags/flags.json"
        assert "MESHWRIGHT_FLAGD_ADDRESS" not in manifest.environment(name)
        assert volumes(manifest, name)["flags"]["configMap"] == {"name": "mesh-flags", "optional": True}
        (container,) = manifest.pods[f"mesh-{name}"]["spec"]["containers"]
        (mount,) = [it for it in container["volumeMounts"] if it["name"] == "flags"]
        # With a subPath the kubelet would never renew the file.
        assert mount == {"name": "flags", "mountPath": "/etc/meshwright/flags", "readOnly": True}
    assert "flags" not in volumes(manifest, "tools")


def test_flags_come_from_flagd_whose_port_is_open_to_the_agent_alone() -> None:
    manifest = render(nested(flags__flagdAddress="flagd.flags:8015"))
    environment = manifest.environment("agent")
    assert environment["MESHWRIGHT_FLAGD_ADDRESS"] == "flagd.flags:8015"
    assert "MESHWRIGHT_FLAGS_FILE" not in environment
    open_to = [name for name, policy in manifest.of("NetworkPolicy").items() if "8015" in str(policy["spec"])]
    assert open_to == ["mesh-agent"]


def test_there_are_no_flags_by_default() -> None:
    manifest = rendered("default")
    assert not {"MESHWRIGHT_FLAGS_FILE", "MESHWRIGHT_FLAGD_ADDRESS"} & manifest.environment("agent").keys()
    assert "flags" not in volumes(manifest, "agent")


def test_without_login_the_network_policy_is_trusted() -> None:
    manifest = rendered("default")
    for name in ("agent", "tools", "browser", "gateway"):
        assert manifest.environment(name)["MESHWRIGHT_TRUSTED_NETWORK"] == "true"
        assert "MESHWRIGHT_AUTH_JWKS" not in manifest.environment(name)


def test_with_login_all_check_tokens_and_the_services_share_a_key() -> None:
    manifest = render({"auth": AUTH})
    for name in ("agent", "tools", "browser", "gateway"):
        environment = manifest.environment(name)
        assert environment["MESHWRIGHT_AUTH_JWKS"] == "https://login.example.com/keys"
        assert environment["MESHWRIGHT_AUTH_AUDIENCE"] == "meshwright"
    for name in ("agent", "tools", "browser"):
        secret = volumes(manifest, name)["mesh-key"]["secret"]
        assert secret == {"secretName": "mesh-key", "items": [{"key": "mesh.key", "path": "key"}]}
    assert "mesh-key" not in volumes(manifest, "gateway")
    assert "MESHWRIGHT_TRUSTED_NETWORK" not in manifest.environment("gateway")


def test_the_issuers_keys_may_come_from_a_secret() -> None:
    auth = {**AUTH, "jwksUrl": "", "jwksSecret": {"name": "issuer"}}
    manifest = render({"auth": auth})
    for name in ("agent", "gateway"):
        assert manifest.environment(name)["MESHWRIGHT_AUTH_JWKS"] == "/etc/meshwright/jwks/jwks.json"
        assert volumes(manifest, name)["jwks"]["secret"]["secretName"] == "issuer"


def test_quotas_reach_whoever_keeps_them() -> None:
    manifest = render({"auth": AUTH, "quotas": {"sessions": 1, "runs": 2, "tokensPerDay": 50_000_000, "leases": 3}})
    environment = manifest.environment("agent")
    assert environment["MESHWRIGHT_QUOTA_SESSIONS"] == "1"
    assert environment["MESHWRIGHT_QUOTA_RUNS"] == "2"
    assert environment["MESHWRIGHT_QUOTA_TOKENS_PER_DAY"] == "50000000"
    assert manifest.environment("browser")["MESHWRIGHT_QUOTA_LEASES"] == "3"


# Reaching it.


def test_the_gateway_knows_the_names_under_which_it_is_asked() -> None:
    route = {"enabled": True, "hostnames": ["grpc.example.com"]}
    manifest = render(
        {
            "auth": AUTH,
            "ingress": {"enabled": True, "host": "mesh.example.com"},
            "gatewayApi": {"parentRefs": [{"name": "public"}], "grpcRoute": route},
            "gateway": {"allowedHosts": ["*.internal.example.com"]},
        }
    )
    hosts = manifest.environment("gateway")["MESHWRIGHT_ALLOWED_HOSTS"].split(",")
    assert {"localhost", "mesh-gateway", "mesh-gateway.agents.svc"} < set(hosts)
    assert {"mesh.example.com", "grpc.example.com", "*.internal.example.com"} < set(hosts)


def test_an_ingress_leads_to_the_gateway() -> None:
    values = {
        "enabled": True,
        "host": "mesh.example.com",
        "tlsSecret": "tls",
        "className": "nginx",
        "annotations": {"a": "b"},
    }
    ingress = render({"auth": AUTH, "ingress": values}).one("Ingress", "gateway")
    assert ingress["spec"]["tls"] == [{"secretName": "tls", "hosts": ["mesh.example.com"]}]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["metadata"]["annotations"] == {"a": "b"}
    (rule,) = ingress["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "mesh-gateway", "port": {"name": "mesh"}}


def test_routes_of_the_gateway_api_lead_to_the_gateway() -> None:
    values = {
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "grpcRoute": {"enabled": True, "hostnames": ["grpc.example.com"]},
        "httpRoute": {"enabled": True, "hostnames": ["mesh.example.com"]},
    }
    manifest = render({"auth": AUTH, "gatewayApi": values})
    for kind, host in (("GRPCRoute", "grpc.example.com"), ("HTTPRoute", "mesh.example.com")):
        route = manifest.one(kind, "gateway")
        assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
        assert route["spec"]["parentRefs"] == values["parentRefs"]
        assert route["spec"]["hostnames"] == [host]
        assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "mesh-gateway", "port": 8080}]


def test_nothing_leads_in_from_outside_by_default() -> None:
    manifest = rendered("default")
    assert not manifest.of("Ingress") | manifest.of("GRPCRoute") | manifest.of("HTTPRoute")
    assert manifest.one("Service", "gateway")["spec"]["type"] == "ClusterIP"


def test_the_gateway_speaks_tls_where_it_has_a_certificate() -> None:
    manifest = render({"auth": AUTH, "gateway": {"tls": {"secret": "cert"}, "service": {"type": "LoadBalancer"}}})
    environment = manifest.environment("gateway")
    assert environment["MESHWRIGHT_TLS_CERTIFICATE"] == "/etc/meshwright/tls/tls.crt"
    assert "MESHWRIGHT_TLS_ENDS_BEFORE" not in environment
    assert volumes(manifest, "gateway")["tls"]["secret"] == {"secretName": "cert"}
    (container,) = manifest.pods["mesh-gateway"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    service = manifest.one("Service", "gateway")["spec"]
    assert (service["type"], service["ports"][0]["appProtocol"]) == ("LoadBalancer", "https")
    assert manifest.environment("test")["MESHWRIGHT_ADDRESS"] == "https://mesh-gateway.agents.svc:8080"


def test_with_login_and_without_a_certificate_tls_ends_before_the_gateway() -> None:
    assert render({"auth": AUTH}).environment("gateway")["MESHWRIGHT_TLS_ENDS_BEFORE"] == "true"


# Scaling.


@pytest.mark.parametrize("component", ["agent", "tools", "browser", "gateway"])
def test_a_scaled_deployment_leaves_the_number_to_the_scaler(component: str) -> None:
    scaling = {"enabled": True, "min": 2, "max": 6, "calm": 60, "pause": 30}
    values = {"files": {**SHARED, "url": "s3://b"}, component: {"autoscaling": scaling}}
    manifest = render(values)
    assert "replicas" not in manifest.one("Deployment", component)["spec"]
    scaler = manifest.one("HorizontalPodAutoscaler", component)["spec"]
    assert scaler["scaleTargetRef"]["name"] == f"mesh-{component}"
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert scaler["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    assert scaler["behavior"]["scaleDown"] == {
        "stabilizationWindowSeconds": 60,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}],
    }
    assert not rendered("default").of("HorizontalPodAutoscaler")


@pytest.mark.parametrize("component", ["tools", "browser"])
def test_callers_find_pods_that_were_added(component: str) -> None:
    assert rendered("default").environment(component)["MESHWRIGHT_CONNECTION_AGE"] == "300"


def test_agents_scale_from_2_to_10_at_70_percent_unless_told_otherwise() -> None:
    scaler = rendered("production").one("HorizontalPodAutoscaler", "agent")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 10)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


def test_browsers_scale_by_keda_on_what_is_leased_and_waited_for() -> None:
    manifest = rendered("production")
    # KEDA makes one itself.
    assert "mesh-browser" not in manifest.of("HorizontalPodAutoscaler")
    scaled = manifest.one("ScaledObject", "browser")["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (3, 40)
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["serverAddress"] == "http://prometheus.monitoring:9090"
    assert (
        'meshwright_browser_utilization_ratio{namespace="agents",service="mesh-browser"}'
        in trigger["metadata"]["query"]
    )
    assert trigger["metadata"]["threshold"] == "0.7"
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]


def test_browsers_scale_on_a_metric_of_an_adapter() -> None:
    scaling = {"enabled": True, "by": "external", "target": 50}
    manifest = render({"metrics": {"enabled": True}, "browser": {"autoscaling": scaling}})
    (metric,) = manifest.one("HorizontalPodAutoscaler", "browser")["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "meshwright_browser_utilization_ratio"
    assert metric["external"]["target"] == {"type": "AverageValue", "averageValue": "500m"}
    assert not manifest.of("ScaledObject")


def test_more_than_one_pod_is_kept_from_going_all_at_once() -> None:
    manifest = rendered("production")
    budgets = manifest.of("PodDisruptionBudget")
    assert budgets.keys() == {f"mesh-{it}" for it in ("agent", "tools", "browser", "gateway", "web")}
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert budget["spec"]["selector"]["matchLabels"].items() <= manifest.pods[name]["metadata"]["labels"].items()


def test_a_single_pod_never_keeps_a_node_from_being_emptied() -> None:
    assert not rendered("default").of("PodDisruptionBudget")
    assert not render(nested(gateway__replicas=2, podDisruptionBudget__enabled=False)).of("PodDisruptionBudget")


# Two tracks.


def test_a_canary_stands_beside_the_stable_track() -> None:
    manifest = render({"files": SHARED, "canary": CANARY})
    stable, canary = manifest.pods["mesh-agent"], manifest.pods["mesh-agent-canary"]
    assert canary["spec"]["containers"][0]["image"] == "meshwright/mesh:0.2.0"
    assert stable["spec"]["containers"][0]["image"] == "meshwright/mesh:0.2.0"
    assert manifest.environment("agent") == manifest.environment("agent-canary")
    for name, track in (("agent", "stable"), ("agent-canary", "canary")):
        assert manifest.one("Service", name)["spec"]["selector"]["track"] == track
    assert manifest.environment("gateway")["MESHWRIGHT_AGENT_CANARY_ADDRESS"] == "mesh-agent-canary:8081"


@pytest.mark.parametrize("weight", [0, 10, 100])
def test_the_gateway_reads_the_weights(weight: int, tmp_path: Path) -> None:
    manifest = render({"files": SHARED, "canary": {**CANARY, "weight": weight}})
    (name, text), *_ = manifest.one("ConfigMap", "traffic")["data"].items()
    (tmp_path / name).write_text(text)
    assert TrafficFile(tmp_path).read().canary_weight == weight
    assert manifest.environment("gateway")["MESHWRIGHT_TRAFFIC_CONFIGMAP"] == "agents/mesh-traffic"


def test_the_gateway_alone_may_read_the_weights_and_nothing_else_of_the_cluster() -> None:
    manifest = render({"files": SHARED, "canary": CANARY})
    (role,) = manifest.of("Role").values()
    (rule,) = role["rules"]
    assert (rule["resources"], rule["resourceNames"], rule["verbs"]) == (
        ["configmaps"],
        ["mesh-traffic"],
        ["get", "watch"],
    )
    (binding,) = manifest.of("RoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [it["name"] for it in binding["subjects"]] == ["mesh-gateway"]
    sources = volumes(manifest, "gateway")["identity"]["projected"]["sources"]
    assert [next(iter(it)) for it in sources] == ["serviceAccountToken", "configMap", "downwardAPI"]
    holders = [name for name, pod in manifest.pods.items() if "serviceAccountToken" in str(pod["spec"].get("volumes"))]
    assert holders == ["mesh-gateway"]


def test_kubernetes_api_is_reached_by_the_gateway_of_a_canary_alone() -> None:
    def ports(manifest: Manifest, component: str) -> list[list[Object]]:
        return [it["ports"] for it in manifest.one("NetworkPolicy", component)["spec"]["egress"] if "ports" in it]

    api = [{"port": 443}, {"port": 6443}]
    manifest = render({"files": SHARED, "canary": CANARY})
    assert [it for it in ("gateway", "agent", "tools", "browser") if api in ports(manifest, it)] == ["gateway"]
    assert api not in ports(rendered("default"), "gateway")
    peers = [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    narrow = render({"files": SHARED, "canary": CANARY, "networkPolicy": {"apiServerTo": peers}})
    (rule,) = [it for it in narrow.one("NetworkPolicy", "gateway")["spec"]["egress"] if it.get("ports") == api]
    assert rule["to"] == peers


@pytest.mark.parametrize(
    ("live", "weight", "wanted"),
    [
        ({}, 10, 10),
        (None, 10, 10),
        ({"values": "10", "text": '{"canary_weight": 50}'}, 10, 50),
        ({"values": "10", "text": '{"canary_weight": 50}'}, 20, 20),
        ({"values": "0", "text": '{"canary_weight": 50}'}, 0, 50),
        ({"values": "10", "text": ""}, 10, 10),
        ({"values": "", "text": '{"canary_weight": 50}'}, 10, 10),
    ],
    ids=["new", "unknown", "shifted", "values changed", "all stable", "empty", "of an older chart"],
)
def test_an_upgrade_undoes_no_shift_unless_the_values_change(
    live: Object | None, weight: int, wanted: int, tmp_path: Path
) -> None:
    """What the chart makes of a live ConfigMap, which no rendering without a cluster has."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: part, version: 0.1.0}")
    shutil.copy(FOLDER / "templates" / "gateway" / "_traffic.tpl", tmp_path / "templates")
    arguments = 'dict "live" .Values.live "weight" .Values.weight "revision" 7'
    (tmp_path / "templates" / "traffic.yaml").write_text(
        f'text: |\n  {{{{- include "meshwright.traffic" ({arguments}) | nindent 2 }}}}'
    )
    if live:
        annotations = {"meshwright/weight-of-values": live["values"]}
        live = {"metadata": {"annotations": annotations}, "data": {"traffic.json": live["text"]}}
    made = Chart.load(tmp_path).render({"live": live, "weight": weight}, name="mesh", namespace="agents")
    (text,) = (yaml.safe_load(it)["text"] for path, it in made.items() if path.endswith("traffic.yaml"))
    assert json.loads(text)["canary_weight"] == wanted


def test_new_weights_start_no_pod_anew() -> None:
    light, heavy = (render({"files": SHARED, "canary": {**CANARY, "weight": weight}}) for weight in (10, 50))
    assert light.pods == heavy.pods


def test_without_a_canary_nothing_of_it_is_there() -> None:
    manifest = rendered("default")
    assert not manifest.of("ConfigMap")
    assert "mesh-agent-canary" not in manifest.of("Deployment") | manifest.of("Service")
    assert "MESHWRIGHT_AGENT_CANARY_ADDRESS" not in manifest.environment("gateway")


# Watching it.


def test_figures_are_offered_and_scraped_where_asked() -> None:
    manifest = rendered("production")
    assert manifest.environment("browser")["MESHWRIGHT_METRICS_ADDRESS"] == "0.0.0.0:9464"
    (monitor,) = manifest.of("ServiceMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"]
    scraped = {
        name for name, it in manifest.of("Service").items() if wanted.items() <= it["metadata"]["labels"].items()
    }
    assert scraped == {"mesh-agent-metrics", "mesh-tools-metrics", "mesh-browser-metrics"}
    assert "MESHWRIGHT_METRICS_ADDRESS" not in rendered("default").environment("agent")


def test_traces_go_where_the_values_say() -> None:
    manifest = render(nested(telemetry__otlpEndpoint="http://collector:4317"))
    for name in ("agent", "tools", "browser", "gateway", "web"):
        assert manifest.environment(name)["MESHWRIGHT_OTLP_ENDPOINT"] == "http://collector:4317"


# helm test, and what is said after an installation.


def test_helm_test_gives_the_mesh_a_real_task() -> None:
    manifest = rendered("default")
    pod = manifest.one("Pod", "test")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    environment = manifest.environment("test")
    assert environment["MESHWRIGHT_ADDRESS"] == "mesh-gateway.agents.svc:8080"
    assert environment["TASK"] == "Open http://mesh-web.agents.svc:8084/demo/ and tell me what the desk lamp costs"
    assert environment["EXPECT"] == "$49.00"
    assert "meshwright run" in pod["spec"]["containers"][0]["args"][0]


def test_with_login_helm_test_shows_a_token() -> None:
    environment = rendered("production").environment("test")
    assert environment["MESHWRIGHT_TOKEN"] == {"secretKeyRef": {"name": "mesh-test-token", "key": "token"}}
    assert environment["TASK"].startswith("Write a file")


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        (
            {},
            [
                "helm test mesh",
                "port-forward service/mesh-gateway 8080:8080",
                "no login",
                "no language model",
                "own sandbox",
            ],
            [],
        ),
        ({"auth": AUTH}, ["port-forward"], ["no login"]),
        ({"model": {"name": "offline"}}, [], ["no language model"]),
        ({"redis": {"bundled": False}}, ["a file of one agent"], ["single Redis"]),
        ({"browser": {"sandbox": "off"}}, [], ["own sandbox"]),
        (
            {"auth": AUTH, "ingress": {"enabled": True, "host": "mesh.example.com", "tlsSecret": "tls"}},
            ["https://mesh.example.com/"],
            ["port-forward"],
        ),
        ({"files": SHARED, "canary": CANARY}, ["The canary gets 10 % of new sessions"], []),
    ],
    ids=["default", "login", "planner", "file", "no sandbox", "ingress", "canary"],
)
def test_the_notes_say_what_to_do_next(values: Object, said: list[str], unsaid: list[str]) -> None:
    notes = render(values).notes
    assert not [it for it in said if it not in notes]
    assert not [it for it in unsaid if it in notes]
