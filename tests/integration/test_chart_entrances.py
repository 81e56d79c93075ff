"""The ways in that the chart can make: names, Ingress, Gateway API, TLS."""

from __future__ import annotations

from tests.support.chart import AUTH, render, rendered


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
    door = {"tls": {"secret": "cert"}, "service": {"type": "LoadBalancer"}}
    everybody = {"gatewayFrom": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}
    manifest = render({"auth": AUTH, "gateway": door, "networkPolicy": everybody})
    environment = manifest.environment("gateway")
    assert environment["MESHWRIGHT_TLS_CERTIFICATE"] == "/etc/meshwright/tls/tls.crt"
    assert "MESHWRIGHT_TLS_ENDS_BEFORE" not in environment
    assert manifest.volumes("gateway")["tls"]["secret"] == {"secretName": "cert"}
    (container,) = manifest.pods["mesh-gateway"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    service = manifest.one("Service", "gateway")["spec"]
    assert (service["type"], service["ports"][0]["appProtocol"]) == ("LoadBalancer", "https")
    assert manifest.environment("test")["MESHWRIGHT_ADDRESS"] == "https://mesh-gateway.agents.svc:8080"


def test_with_login_and_without_a_certificate_tls_ends_before_the_gateway() -> None:
    assert render({"auth": AUTH}).environment("gateway")["MESHWRIGHT_TLS_ENDS_BEFORE"] == "true"
