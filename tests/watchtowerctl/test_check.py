"""``watchtowerctl check`` finds what is wrong, and says what to do."""

import ssl
import subprocess

import pytest
from stand_in import StandIn

from watchtowerctl.version import read_version


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a certificate for the name localhost that is its own CA, with its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", "key.pem", "-out", "ca.pem", "-days", "30"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        command,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def secure(certificate, asking):
    """Serve TLS as localhost; the command is told to ask there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    server = StandIn(context)
    asking.environment["WATCHTOWER_URL"] = f"https://localhost:{server.port}"
    asking.environment["WATCHTOWER_CA_FILE"] = str(certificate / "ca.pem")
    well(server)
    yield server
    server.close()


def well(server):
    server.answer("GET /healthz", {"status": "ok"})
    server.answer("GET /events", [])
    server.answer("GET /openapi.json", {"info": {"version": read_version()}})


def verdicts(output):
    return {line.split()[1]: line.split()[0] for line in output.splitlines()}


def test_a_real_collector_is_well(ctl):
    out, _ = ctl("check")
    found = verdicts(out)
    # The version only where the collector tells it.
    assert found.pop("Version") in {"OK", "WARN"}
    assert set(found) == {"Address", "CA", "Answer", "Health", "Clock", "Key"}
    assert set(found.values()) == {"OK"}


def test_all_is_well_over_tls(asking, secure):
    out, _ = asking("check")
    assert set(verdicts(out).values()) == {"OK"}
    assert "TLSv1.3, certificate valid until " in out


def test_no_key_is_sent_before_the_certificate_is_checked(asking, secure):
    asking("check")
    sent = [(request.path, "x-admin-api-key" in request.headers) for request in secure.requests]
    assert sent == [("/healthz", False), ("/events", True), ("/openapi.json", True)]


def test_a_ca_that_is_not_trusted_fails(asking, secure):
    del asking.environment["WATCHTOWER_CA_FILE"]
    out, _ = asking("check", status=1)
    assert verdicts(out)["Answer"] == "FAIL"
    assert "set WATCHTOWER_CA_FILE" in out
    _, err = asking("events", status=76)
    assert "set WATCHTOWER_CA_FILE" in err
    assert secure.requests == []


def test_a_certificate_for_another_name_fails(asking, secure):
    asking.environment["WATCHTOWER_URL"] = f"https://127.0.0.1:{secure.port}"
    out, _ = asking("check", status=1)
    assert "the certificate is not for 127.0.0.1" in out
    assert secure.requests == []


def test_a_file_that_is_no_certificate_fails(asking, secure, certificate):
    asking.environment["WATCHTOWER_CA_FILE"] = str(certificate / "key.pem")
    out, _ = asking("check", status=1)
    assert verdicts(out)["CA"] == "FAIL"
    assert "holds no certificate" in out


def test_what_does_not_speak_tls_fails(asking, stand_in):
    asking.environment["WATCHTOWER_URL"] = f"https://127.0.0.1:{stand_in.port}"
    out, _ = asking("check", status=1)
    assert "does not speak TLS as it should" in out


def test_a_collector_that_cannot_store_fails(asking, stand_in):
    stand_in.answer("GET /healthz", {"status": "unavailable", "reason": "disk_full"}, 503)
    well(stand_in)
    out, _ = asking("check", status=1)
    assert verdicts(out)["Health"] == "FAIL"
    assert "events cannot be stored: disk_full" in out
    assert verdicts(out)["Key"] == "OK"


def test_a_wrong_key_fails(asking, stand_in):
    stand_in.answer("GET /events", {"error": {"message": "not authorized"}}, 401)
    well(stand_in)
    out, _ = asking("check", status=1)
    assert verdicts(out)["Key"] == "FAIL"


def test_no_key_fails_where_it_is_needed(unconfigured, stand_in):
    well(stand_in)
    unconfigured.environment["WATCHTOWER_URL"] = stand_in.url
    out, _ = unconfigured("check", status=1)
    assert verdicts(out)["Health"] == "OK"
    assert "FAIL  Key       there is no admin key" in out


def test_a_file_of_settings_that_is_broken_fails_as_such(asking, stand_in, home):
    well(stand_in)
    (home / ".config/watchtowerctl.toml").write_text("url = ")
    out, _ = asking("check", status=1)
    assert verdicts(out) == {"Settings": "FAIL"}
    assert "watchtowerctl.toml is no TOML" in out


def test_another_version_is_a_warning(asking, stand_in):
    stand_in.answer("GET /openapi.json", {"info": {"version": "99.0"}})
    well(stand_in)
    out, _ = asking("check")
    assert verdicts(out)["Version"] == "WARN"
    assert "the collector is 99.0" in out
