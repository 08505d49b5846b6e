def test_all_is_well(client):
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_load_balancers_ask_with_head(client):
    response = client.request("HEAD", "/healthz")
    assert (response.status_code, response.content) == (200, b"")


def test_trouble_is_named(client, monkeypatch):
    monkeypatch.setattr(type(client.writer), "trouble", "read_only")
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "reason": "read_only"}
    assert int(response.headers["Retry-After"]) > 0
