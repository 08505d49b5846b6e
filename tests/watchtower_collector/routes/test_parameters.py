"""What the OpenAPI document says of the parameters."""

import pytest

from watchtower_collector.routes.parameters import MAX_VALUES, EventParameters


@pytest.fixture
def described(client):
    operation = client.app.rest.openapi()["paths"]["/events"]["get"]
    return {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}


def test_every_parameter_is_described_with_an_example(described):
    assert set(described) == set(EventParameters.model_fields)
    for one in described.values():
        assert one["description"].endswith(".")
        assert one["schema"]["examples"]


def test_every_example_is_taken(described):
    for name, one in described.items():
        for example in one["schema"]["examples"]:
            values = example if isinstance(example, list) else str(example)
            given = {"true": "true"}.get(str(values).lower(), values)
            assert EventParameters.model_validate({name: given})


def test_what_may_come_several_times_is_an_array(described):
    arrays = {name: one["schema"] for name, one in described.items() if "items" in one["schema"]}
    assert set(arrays) == {
        *("user", "hostname", "source_ip", "method", "type", "region", "host_group", "severity")
    }
    assert {schema["maxItems"] for schema in arrays.values()} == {MAX_VALUES}
