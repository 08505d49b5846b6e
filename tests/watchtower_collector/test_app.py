"""What holds for every route."""

import logging

import pytest


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("GET", "/openapi.json", 401),
        ("GET", "/events/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/login", 405),
        ("POST", "/events", 405),
        ("DELETE", "/healthz", 405),
    ],
)
def test_what_does_not_exist_says_so_in_the_one_shape(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    assert set(response.json()) == {"status", "error"}
    assert response.json()["error"]["message"]


def test_a_defect_is_a_500_in_the_one_shape(client, admin, monkeypatch, caplog):
    def fail(work):
        raise RuntimeError("with something secret")

    monkeypatch.setattr(client.store, "read", fail)
    with caplog.at_level(logging.CRITICAL):
        response = client.get("/events", headers=admin)
    assert response.status_code == 500
    assert response.json()["status"] == "error"
    assert "secret" not in response.text


def test_a_defect_at_the_front_is_one_too_and_is_passed_on_to_be_logged(
    client, admin, make_event, monkeypatch
):
    async def fail(*_):
        raise RuntimeError("with something secret")

    monkeypatch.setattr(client.writer, "append", fail)
    response = client.post(make_event())
    assert response.status_code == 500
    assert response.json()["status"] == "error"
    assert "secret" not in response.text
    metrics = client.get("/metrics", headers=admin).text
    assert 'watchtower_login_refusals_total{reason="defect"} 1.0' in metrics
    with pytest.raises(RuntimeError):
        client.portal.call(client.raising, make_event())


def test_the_writer_ends_with_the_application(run_app, environment, store):
    with run_app(environment, store) as client:
        thread = client.writer._thread
        assert thread.is_alive()
    assert not thread.is_alive()
