"""Values that are wrong, and values that do not go together, are refused in words."""

from __future__ import annotations

import pytest
from helm_python import HelmError

from tests.support.chart import Object, nested, render, values_of

WRONG_VALUES = [
    (nested(agents__replicas=1), "agents"),
    (nested(agent__replica=1), "replica"),
    (nested(agent__replicas=-1), "replicas"),
    (nested(agent__replicas="two"), "replicas"),
    (nested(agent__settings__max_steps="60"), "max_steps"),
    (nested(agent__settings__MESHWRIGHT_MAX_STEPS=60), "MESHWRIGHT_MAX_STEPS"),
    (nested(agent__drain__grace=7200), "grace"),
    (nested(agent__resources__requests__memory="much"), "memory"),
    (nested(agent__resources__claims=[]), "claims"),
    (nested(agent__autoscaling__max=0), "max"),
    (nested(canary__weight=101), "weight"),
    (nested(canary__weight=-1), "weight"),
    (nested(image__pullPolicy="Sometimes"), "pullPolicy"),
    (nested(image__digest="sha256:abc"), "digest"),
    (nested(image__repository=""), "repository"),
    (nested(logLevel="loud"), "logLevel"),
    (nested(metrics__port=80), "port"),
    (nested(metrics__rules__without=["RunsFailing"]), "RunsFailing"),
    (nested(metrics__rules__runbooks="https://wiki.example.com/#mesh"), "runbooks"),
    (nested(telemetry__otlpEndpoint="collector:4317"), "otlpEndpoint"),
    (nested(auth__jwksUrl="ftp://keys"), "jwksUrl"),
    (nested(quotas__runs=-1), "runs"),
    (nested(flags__configMap__key="flags.txt"), "key"),
    (nested(flags__flagdAddress="http://flagd:8015"), "flagdAddress"),
    (nested(model__name="gpt-6.1"), "name"),
    # A password belongs into a Secret.
    (nested(redis__url="redis://:secret@redis:6379/0"), "url"),
    (nested(redis__runAsUser=0), "runAsUser"),
    (nested(files__url="/data"), "url"),
    (nested(files__volume__accessMode="ReadOnlyMany"), "accessMode"),
    (nested(browser__sandbox="maybe"), "sandbox"),
    (nested(browser__seccomp__type="None"), "type"),
    (nested(browser__autoscaling__by="memory"), "by"),
    (nested(browser__deletionCost="on"), "deletionCost"),
    (nested(browser__deletionCost__replicas=2), "replicas"),
    (nested(browser__deletionCost__settings__interval="1"), "interval"),
    (nested(gateway__service__type="ExternalName"), "type"),
    (nested(gateway__allowedHosts=["https://mesh.example.com"]), "allowedHosts"),
    (nested(gateway__corsOrigins=["*"]), "corsOrigins"),
    (nested(gatewayApi__parentRefs=[{"namespace": "gateways"}]), "name"),
    (nested(networkPolicy__browserNever=["10.0.0.1"]), "browserNever"),
    (nested(fullnameOverride="A-Mesh"), "fullnameOverride"),
]

AUTH = nested(
    auth__enabled=True,
    auth__jwksUrl="https://login.example.com/keys",
    auth__issuer="https://login.example.com/",
    auth__audience="meshwright",
    auth__meshKeySecret__name="mesh-key",
)
SHARED_FILES = nested(files__volume__accessMode="ReadWriteMany")


def with_auth(**paths: object) -> Object:
    """Values with a login that is set up."""
    values = nested(**paths)
    return {**values, "auth": {**AUTH["auth"], **values.get("auth", {})}}


CONTRADICTIONS = [
    (
        nested(redis__bundled=False, agent__replicas=2),
        r"agent: more than one agent needs a store.*Set redis\.bundled=true",
    ),
    (nested(redis__bundled=False, agent__autoscaling__enabled=True), "more than one agent needs a store"),
    (nested(redis__bundled=False, canary__enabled=True, canary__image__tag="2"), "more than one agent needs a store"),
    (nested(redis__url="redis://redis:6379/0"), r"redis: .*with a server of your own set redis\.bundled=false"),
    (nested(agent__replicas=2), r"artifacts where all of them reach them\. Set files\.url"),
    (nested(tools__replicas=2), r"tools: .*Set files\.volume\.accessMode=ReadWriteMany"),
    (nested(tools__autoscaling__enabled=True, files__url="s3://bucket"), "accessMode=ReadWriteMany"),
    (nested(networkPolicy__enabled=False), r"networkPolicy\.enabled=false without auth.*Set one of them"),
    (nested(flags__flagdSelector="flagSetId=mesh"), r"Set flags\.flagdAddress"),
    (
        nested(flags__flagdAddress="flagd:8015", flags__configMap__name="mesh-flags"),
        r"two sources of feature flags\. Keep one",
    ),
    (nested(ingress__enabled=True, ingress__host="a.example.com"), r"ingress: without auth\.enabled=true.*Set up auth"),
    (
        nested(gatewayApi__grpcRoute__enabled=True, gatewayApi__grpcRoute__hostnames=["a.example.com"]),
        r"gatewayApi: without auth\.enabled=true",
    ),
    (
        nested(gateway__service__type="LoadBalancer"),
        r"gateway\.service\.type=LoadBalancer without auth.*keep ClusterIP",
    ),
    (with_auth(gateway__service__type="LoadBalancer"), r"tokens in clear text\. Set gateway\.tls\.secret"),
    (
        with_auth(gateway__service__type="NodePort", gateway__tls__secret="cert"),
        r"pods of the namespace alone.*networkPolicy\.gatewayFrom",
    ),
    (with_auth(ingress__enabled=True), r"needs ingress\.host"),
    (
        with_auth(gatewayApi__httpRoute__enabled=True, gatewayApi__httpRoute__hostnames=["a.example.com"]),
        r"Set gatewayApi\.parentRefs",
    ),
    (
        with_auth(gatewayApi__httpRoute__enabled=True, gatewayApi__parentRefs=[{"name": "public"}]),
        r"needs gatewayApi\.httpRoute\.hostnames",
    ),
    (
        with_auth(
            gatewayApi__parentRefs=[{"name": "public"}],
            gatewayApi__httpRoute={"enabled": True, "hostnames": ["a.example.com"]},
            gatewayApi__grpcRoute={"enabled": True, "hostnames": ["a.example.com"]},
        ),
        "takes a.example.com from one kind of route only",
    ),
    (nested(auth__enabled=True), r"public keys\. Set auth\.jwksUrl or auth\.jwksSecret\.name"),
    (with_auth(auth__jwksSecret__name="keys"), "two places for the same keys"),
    (with_auth(auth__issuer=""), r"needs auth\.issuer and auth\.audience"),
    (with_auth(auth__meshKeySecret__name=""), "kubectl create secret generic mesh-key"),
    (nested(auth__issuer="https://login.example.com/"), r"auth\.enabled is false\. Set auth\.enabled=true"),
    (nested(quotas__sessions=10), "Set up auth, or leave quotas at 0"),
    (
        nested(agent__autoscaling={"enabled": True, "min": 5, "max": 3}, files__url="s3://b"),
        "min is 5 and max is 3",
    ),
    (
        nested(gateway__autoscaling__enabled=True, gateway__resources__requests={"cpu": None}),
        r"Set gateway\.resources\.requests\.cpu",
    ),
    (nested(browser__autoscaling={"enabled": True, "by": "external"}), r"Set metrics\.enabled=true, or by=cpu"),
    (nested(browser__autoscaling={"enabled": True, "by": "keda"}, metrics__enabled=True), r"prometheusUrl, as in http"),
    (with_auth(metrics__enabled=True, networkPolicy__enabled=False), "to every pod of the cluster"),
    (nested(metrics__serviceMonitor__enabled=True), r"nothing to scrape\. Set metrics\.enabled=true"),
    (nested(metrics__dashboards__enabled=True), r"nothing to look at\. Set metrics\.enabled=true"),
    (nested(metrics__rules__enabled=True), r"nothing to look at\. Set metrics\.enabled=true"),
    (nested(canary__weight=10), r"canary\.weight=10 .*Set canary\.enabled=true, or weight=0"),
    (
        nested(agent__settings__MESHWRIGHT_TRACK="canary"),
        r"agent\.settings\.MESHWRIGHT_TRACK would put all agents on one track\. Leave it out",
    ),
    ({**SHARED_FILES, "canary": {"enabled": True}}, r"needs canary\.image\.tag or canary\.image\.digest"),
    (
        {**SHARED_FILES, "canary": {"enabled": True, "weight": 5, "replicas": 0, "image": {"tag": "2"}}},
        r"Set canary\.replicas to at least 1",
    ),
    (nested(browser__sandbox="on"), r"browser\.sandbox=on .*Set the type to Localhost"),
    (nested(browser__warm=9), r"browser\.warm=9 .*Set warm to at most capacity"),
    (
        nested(browser__deletionCost__enabled=True, browser__replicas=3),
        r"browser\.deletionCost\.enabled=true reads a figure.*Set metrics\.enabled=true",
    ),
    (
        nested(browser__deletionCost__enabled=True, metrics__enabled=True),
        r"there is one at most\. Set browser\.replicas to at least 2 or browser\.autoscaling",
    ),
    (nested(web__demo=False), r"Set web\.demo=true, or test\.task"),
]


@pytest.mark.parametrize(("values", "named"), WRONG_VALUES, ids=[name for _, name in WRONG_VALUES])
def test_the_schema_refuses(values: Object, named: str) -> None:
    with pytest.raises(HelmError, match=f"(?s)schema.*{named}"):
        render(values)


@pytest.mark.parametrize(("values", "sentence"), CONTRADICTIONS, ids=[sentence for _, sentence in CONTRADICTIONS])
def test_values_that_do_not_go_together_name_the_fix(values: Object, sentence: str) -> None:
    with pytest.raises(HelmError, match=f"(?s){sentence}"):
        render(values)


def test_a_wrong_value_in_a_file_of_values_is_refused_too() -> None:
    with pytest.raises(HelmError, match="replicsa"):
        render({**values_of("production"), "web": {"replicsa": 2}})
