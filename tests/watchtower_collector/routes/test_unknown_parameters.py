"""No route does anything when it is asked with a parameter that it does not know."""

import pytest


@pytest.mark.parametrize(
    "route",
    [
        "DELETE /hosts/web-1",
        "POST /admin/tokens",
        "DELETE /admin/tokens/1",
        "GET /metrics",
        "GET /openapi.json",
        "GET /admin/tokens",
        "GET /admin/audit",
        "GET /hosts",
    ],
)
@pytest.mark.parametrize("query", ["dry_run=true", "dry_run", "=1", "%00=1"])
def test_a_parameter_that_is_not_known_stops_it(client, admin, make_event, route, query):
    method, path = route.split()
    client.post(make_event())
    body = {"hostname": "web-1"}
    client.request("POST", "/admin/tokens", headers=admin, json=body)
    response = client.request(method, f"{path}?{query}", headers=admin, json=body)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] == query.partition("=")[0].replace("%00", "\0")
    (host,) = client.get("/hosts", headers=admin).json()
    (token,) = client.get("/admin/tokens", headers=admin).json()
    assert (host["hostname"], token["state"]) == ("web-1", "active")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/hosts/x"),
        ("POST", "/admin/tokens"),
        ("DELETE", "/admin/tokens/1"),
        ("GET", "/metrics"),
    ],
)
def test_without_the_key_there_is_nothing_to_learn(client, method, path):
    response = client.request(method, f"{path}?dry_run=true")
    assert (response.status_code, response.json()["error"]) == (401, {"message": "not authorized"})
