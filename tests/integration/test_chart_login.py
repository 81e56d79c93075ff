"""Keys of models, feature flags, login and quotas: who of the chart gets which."""

from __future__ import annotations

from tests.support.chart import AUTH, CANARY, SHARED, nested, render, rendered


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
        assert manifest.volumes(name)["flags"]["configMap"] == {"name": "mesh-flags", "optional": True}
        (container,) = manifest.pods[f"mesh-{name}"]["spec"]["containers"]
        (mount,) = [it for it in container["volumeMounts"] if it["name"] == "flags"]
        # With a subPath the kubelet would never renew the file.
        assert mount == {"name": "flags", "mountPath": "/etc/meshwright/flags", "readOnly": True}
    assert "flags" not in manifest.volumes("tools")


def test_flags_come_from_flagd_whose_port_is_open_to_the_agent_alone() -> None:
    manifest = render(nested(flags__flagdAddress="flagd.flags:8015", flags__flagdSelector="flagSetId=mesh"))
    environment = manifest.environment("agent")
    assert environment["MESHWRIGHT_FLAGD_SELECTOR"] == "flagSetId=mesh"
    assert environment["MESHWRIGHT_FLAGD_ADDRESS"] == "flagd.flags:8015"
    assert "MESHWRIGHT_FLAGS_FILE" not in environment
    open_to = [name for name, policy in manifest.of("NetworkPolicy").items() if "8015" in str(policy["spec"])]
    assert open_to == ["mesh-agent"]


def test_there_are_no_flags_by_default() -> None:
    manifest = rendered("default")
    assert not {"MESHWRIGHT_FLAGS_FILE", "MESHWRIGHT_FLAGD_ADDRESS"} & manifest.environment("agent").keys()
    assert "flags" not in manifest.volumes("agent")


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
        secret = manifest.volumes(name)["mesh-key"]["secret"]
        assert secret == {"secretName": "mesh-key", "items": [{"key": "mesh.key", "path": "key"}]}
    assert "mesh-key" not in manifest.volumes("gateway")
    assert "MESHWRIGHT_TRUSTED_NETWORK" not in manifest.environment("gateway")


def test_the_issuers_keys_may_come_from_a_secret() -> None:
    auth = {**AUTH, "jwksUrl": "", "jwksSecret": {"name": "issuer"}}
    manifest = render({"auth": auth})
    for name in ("agent", "gateway"):
        assert manifest.environment(name)["MESHWRIGHT_AUTH_JWKS"] == "/etc/meshwright/jwks/jwks.json"
        assert manifest.volumes(name)["jwks"]["secret"]["secretName"] == "issuer"


def test_quotas_reach_whoever_keeps_them() -> None:
    manifest = render({"auth": AUTH, "quotas": {"sessions": 1, "runs": 2, "tokensPerDay": 50_000_000, "leases": 3}})
    environment = manifest.environment("agent")
    assert environment["MESHWRIGHT_QUOTA_SESSIONS"] == "1"
    assert environment["MESHWRIGHT_QUOTA_RUNS"] == "2"
    assert environment["MESHWRIGHT_QUOTA_TOKENS_PER_DAY"] == "50000000"
    assert manifest.environment("browser")["MESHWRIGHT_QUOTA_LEASES"] == "3"
