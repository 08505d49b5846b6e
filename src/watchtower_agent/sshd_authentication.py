"""sshd's format strings about who may log in, each with its source.

OpenSSH 8.4 to 10.0, portable, as in Debian 11 to 13. Where versions differ, both stand here.
"""

from __future__ import annotations

import re

from watchtower_agent.event import LOGIN, LOGIN_FAILED, LOGIN_REFUSED, LOGIN_STEP
from watchtower_agent.line_format import METHOD, LineFormat
from watchtower_agent.sshd_family import Speaker, SshdFamily, family

# auth.c, format_method_key(); auth2-pubkey.c, auth2_record_info() with a FIDO key's counter.
_PLAIN_KEY = ": {key_type} {key_fingerprint}"
_CERTIFICATE = (
    ": {key_type} {key_fingerprint} ID {certificate_id} (serial {certificate_serial})"
    " CA {ca_type} {certificate_ca}"
)
# auth2-hostbased.c, auth2_record_info(): only the child records it, so the monitor leaves it out.
_CLIENT = ', client user "{client_user}", client host "{client_host}"'
# Behind "ssh2": what auth_log() in auth.c can append, by method.
_ENDINGS = {
    "publickey": ("", _PLAIN_KEY + "{counter}", _CERTIFICATE + "{counter}"),
    "hostbased": (
        "",
        _PLAIN_KEY,
        _CERTIFICATE,
        _PLAIN_KEY + _CLIENT,
        _CERTIFICATE + _CLIENT,
    ),
    # auth2-gss.c, auth2_record_info(): the display name of the principal.
    "gssapi-with-mic": ("", ": {principal}"),
    "gssapi-keyex": ("", ": {principal}"),
}
_NO_ENDING = ("",)
_AUTH_LOG = "{method} for {invalid}{user} from {source_ip} port {source_port} ssh2"


def _auth_log(
    event_type: str,
    verb: str,
    reason: str | None = None,
    speaker: Speaker = Speaker.MONITOR,
) -> tuple[SshdFamily, ...]:
    """auth.c, auth_log(): ``"%s %s%s%s for %s%.100s from %.200s port %d ssh2%s%s"``."""

    def of(method: str, endings: tuple[str, ...]) -> SshdFamily:
        return SshdFamily(
            event_type,
            re.compile(rf"{verb} (?P<method>{method}) for "),
            tuple(LineFormat(f"{verb} {_AUTH_LOG}{ending}", reason) for ending in endings),
            speaker,
            always=True,
        )

    special = "|".join(_ENDINGS)
    others = rf"(?!(?:{special}) ){METHOD}"
    # No line is of two of these. Most are of the first: attacks on passwords.
    return (of(others, _NO_ENDING), *(of(method, endings) for method, endings in _ENDINGS.items()))


# auth.c, allowed_user(). The user is one who exists, the host a name or an address (UseDNS).
_NOT_ALLOWED = (
    ("not_in_allow_users", "not listed in AllowUsers"),
    ("in_deny_users", "listed in DenyUsers"),
    ("not_in_allow_groups", "none of user's groups are listed in AllowGroups"),
    ("in_deny_groups", "a group is listed in DenyGroups"),
    ("no_groups", "not in any group"),
)
_NOT_FIT = (
    ("account_locked", "account is locked"),
    ("shell_missing", "shell {shell} does not exist"),
    ("shell_not_executable", "shell {shell} is not executable"),
)
_REFUSED_USER = SshdFamily(
    LOGIN_REFUSED,
    re.compile("User (?=.* not allowed because )"),
    (
        *(
            LineFormat(f"User {{user}} from {{source_host}} not allowed because {text}", reason)
            for reason, text in _NOT_ALLOWED
        ),
        *(
            LineFormat(f"User {{user}} not allowed because {text}", reason)
            for reason, text in _NOT_FIT
        ),
        # session.c, do_nologin().
        LineFormat("User {user} not allowed because {file} exists", "nologin"),
    ),
)
# sshkey.c, sshkey_cert_check_authority() and its callers, printed by error("%s", reason) in
# auth2-pubkey.c, auth2-pubkeyfile.c and auth2-hostbased.c.
_CERTIFICATE_REASONS = (
    "Certificate contains unsupported critical options",
    "Certificate does not contain an authorized principal",
    "Certificate invalid: expired",
    "Certificate invalid: name is not a listed principal",
    "Certificate invalid: not a host certificate",
    "Certificate invalid: not a user certificate",
    "Certificate invalid: not yet valid",
    "Certificate lacks principal list",
    "Certificate signed with disallowed algorithm",
    "Invalid certificate options",
    "Key is not a certificate",
    "Refused by certificate options",
    "Refused by certificate principals options",
)
# auth2-pubkey.c, userauth_pubkey(), and auth2-hostbased.c: the child refuses the key before the
# monitor hears of it, so that no "Failed publickey" follows.
_ALGORITHM_REASONS = (
    "{function}: signature algorithm {text} not in PubkeyAcceptedAlgorithms",
    "{function}: signature algorithm {text} not in HostbasedAcceptedAlgorithms",
    "{function}: key type {text} not in PubkeyAcceptedKeyTypes",
    "{function}: key type {text} not in HostbasedAcceptedKeyTypes",
    "{function}: unsupported public key algorithm: {text}",
    "{function}: certificate signature algorithm {text}: {error}",
    "refusing {key_type} key: {error}",
    "refusing previously-used {key_type} key",
    # Until 9.2.
    "Refusing RSA key because client uses unsafe signature scheme",
)
# Where the options stand: no client can begin a line so.
_PLACES = ("/{file}:{line_number}", "principals", "cert", "(unknown)")
_SIGNATURE = "signature for {invalid}{user} from {source_ip} port {source_port} rejected: user "
_NO_TOUCH = (
    "presence (authenticator touch) requirement not met{blank}",
    "verification requirement not met{blank}",
)

AUTHENTICATION = (
    *_auth_log(LOGIN, "Accepted"),
    *_auth_log(LOGIN_FAILED, "Failed"),
    *_auth_log(LOGIN_STEP, "Partial", "partial"),
    *_auth_log(LOGIN_STEP, "Postponed", "postponed", Speaker.CHILD),
    # auth.c, getpwnamallow(). The only trace of a client that offers keys for a user who does not
    # exist; with a password, "Failed password for invalid user" follows.
    SshdFamily(
        LOGIN_FAILED,
        re.compile("Invalid user "),
        (LineFormat("Invalid user {user} from {source_ip} port {source_port}", "invalid_user"),),
        always=True,
    ),
    # auth.c, auth_maxtries_exceeded().
    family(
        LOGIN_FAILED,
        "maximum authentication attempts exceeded for {invalid}{user}"
        " from {source_ip} port {source_port} ssh2",
        reason="max_attempts",
        speaker=Speaker.EITHER,
        level="error: ",
    ),
    _REFUSED_USER,
    # auth-pam.c, sshpam_query(). "Failed keyboard-interactive/pam" follows for users who do not
    # exist; for others only in the second half of MaxAuthTries, or with LogLevel VERBOSE.
    SshdFamily(
        LOGIN_FAILED,
        re.compile("PAM: (?=.* for .* from )"),
        (LineFormat("PAM: {pam_error} for {illegal}{user} from {source_host}", "pam"),),
        level="error: ",
    ),
    # auth-shadow.c, auth_shadow_acctexpired().
    family(LOGIN_REFUSED, "Account {user} has expired", reason="account_expired"),
    # auth.c, auth_root_allowed().
    family(
        LOGIN_REFUSED,
        "ROOT LOGIN REFUSED FROM {source_ip} port {source_port}",
        reason="root_login",
        speaker=Speaker.EITHER,
    ),
    # auth2.c, userauth_finish().
    family(
        LOGIN_REFUSED,
        "Access denied for user {user} by PAM account configuration",
        reason="pam_account",
        speaker=Speaker.EITHER,
        level="fatal: ",
    ),
    # monitor.c, mm_answer_pwnamallow(), since 9.9.
    family(
        LOGIN_REFUSED,
        "administratively prohibited connection for {invalid}{user}"
        " from {source_ip} port {source_port}",
        reason="refuse_connection",
    ),
    # auth.c, auth_key_is_revoked().
    family(
        LOGIN_REFUSED,
        "Authentication key {key_type} {key_fingerprint} revoked by file {file}",
        reason="key_revoked",
        level="error: ",
    ),
    # auth2-pubkeyfile.c, auth_authorise_keyopts(); until 8.8 in auth.c.
    family(
        LOGIN_REFUSED,
        *(
            f"{place}: Authentication tried for {{user}} with correct key but not from a permitted"
            " host (host={host}, ip={source_ip}, required={file})."
            for place in _PLACES
        ),
        reason="key_options",
    ),
    family(
        LOGIN_REFUSED,
        *(
            f"{place}: Authentication tried for {{user}} with valid certificate but not from a"
            " permitted source address ({source_ip})."
            for place in _PLACES
        ),
        reason="certificate",
    ),
    family(LOGIN_REFUSED, "Refused by key options", reason="key_options", level="error: "),
    SshdFamily(
        LOGIN_REFUSED,
        re.compile("userauth_(?:pubkey|hostbased): |[Rr]efusing "),
        tuple(LineFormat(template, "key_algorithm") for template in _ALGORITHM_REASONS),
        Speaker.EITHER,
    ),
    family(
        LOGIN_REFUSED,
        "Refusing RSA key because peer uses unsafe signature format",
        reason="key_algorithm",
        speaker=Speaker.EITHER,
        level="error: ",
    ),
    family(
        LOGIN_REFUSED,
        *(f"{place}: Certificate source-address invalid" for place in _PLACES),
        reason="certificate",
        level="error: ",
    ),
    # monitor.c, mm_answer_keyverify(), and auth2-pubkey.c, userauth_pubkey().
    family(
        LOGIN_REFUSED,
        *(
            f"public key {{key_type}}{fingerprint} {_SIGNATURE}{rest}"
            for fingerprint in (" {key_fingerprint}", "")
            for rest in _NO_TOUCH
        ),
        reason="key_options",
        speaker=Speaker.EITHER,
        level="error: ",
    ),
    family(
        LOGIN_REFUSED,
        *_CERTIFICATE_REASONS,
        reason="certificate",
        speaker=Speaker.EITHER,
        level="error: ",
    ),
    # auth2-pubkeyfile.c, auth_openfile(), with the words of misc.c, safe_path().
    family(
        LOGIN_REFUSED,
        "Authentication refused: bad ownership or modes for file {file}",
        "Authentication refused: bad ownership or modes for directory {file}",
        reason="bad_permissions",
    ),
    # auth.c, check_key_in_hostfiles(); auth-rhosts.c, auth_rhosts2().
    family(
        LOGIN_REFUSED,
        "Authentication refused for {user}: bad owner or modes for {file}",
        "Rhosts authentication refused for {user}: no home directory {file}",
        "Rhosts authentication refused for {user}: bad ownership or modes for home directory.",
        "Rhosts authentication refused for {user}: bad modes for {file}",
        reason="bad_permissions",
    ),
    # auth.c, check_key_in_hostfiles().
    family(
        LOGIN_REFUSED,
        "WARNING: revoked key for {text} attempted authentication",
        reason="key_revoked",
        level="error: ",
    ),
)
