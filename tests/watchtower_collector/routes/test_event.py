import pytest


def test_one_event_by_its_id(client, admin, make_event):
    client.post([make_event(user="alice", newer_field=1), make_event(user="bob")])
    for event in client.events():
        response = client.get(f"/events/{event['id']}", headers=admin)
        assert response.status_code == 200
        assert response.json() == event
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("number", ["1", str((1 << 63) - 1)])
def test_an_event_that_is_not_there_is_a_404(client, admin, number):
    response = client.get(f"/events/{number}", headers=admin)
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "there is no event with this id"


@pytest.mark.parametrize(
    "number", ["0", "-1", "1.0", "abc", "9" * 5_000, str(1 << 63), "%00", "٣"]
)
def test_what_is_no_id_is_named(client, admin, number):
    response = client.get(f"/events/{number}", headers=admin)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] == "id"


def test_it_takes_no_parameters(client, admin):
    response = client.get("/events/1?format=csv", headers=admin)
    assert response.status_code == 422
    assert response.json()["error"]["parameter"] == "format"


@pytest.mark.parametrize("path", ["/events/1", "/events/x", "/events/1?a=b"])
def test_without_the_key_there_is_nothing_to_learn(client, path):
    response = client.get(path)
    assert (response.status_code, response.json()["error"]) == (401, {"message": "not authorized"})
