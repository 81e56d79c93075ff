"""Where the chart keeps sessions and files."""

from __future__ import annotations

from tests.support.chart import SHARED, nested, render, rendered


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
    assert manifest.volumes("agent")["data"]["persistentVolumeClaim"] == {"claimName": "mesh-files"}


def test_agent_and_tools_share_a_volume_on_one_node() -> None:
    manifest = rendered("default")
    for name in ("agent", "tools"):
        assert manifest.volumes(name)["data"]["persistentVolumeClaim"] == {"claimName": "mesh-files"}
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
    assert manifest.volumes("tools")["data"]["persistentVolumeClaim"] == {"claimName": "mine"}


def test_with_redis_and_an_object_store_agents_need_no_volume() -> None:
    manifest = render(nested(files__url="s3://artifacts/mesh", files__credentialsSecret="s3"))
    for name in ("agent", "tools"):
        assert manifest.environment(name)["MESHWRIGHT_FILES_URL"] == "s3://artifacts/mesh"
        assert {"secretRef": {"name": "s3"}} in manifest.pods[f"mesh-{name}"]["spec"]["containers"][0]["envFrom"]
    assert "emptyDir" in manifest.volumes("agent")["data"]
    assert "persistentVolumeClaim" in manifest.volumes("tools")["data"]
