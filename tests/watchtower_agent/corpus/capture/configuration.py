"""How sshd is configured."""

from __future__ import annotations

VERSIONS = ("8.4", "9.2", "10.0")
# Addresses of this host with rules of their own: sshd_config's Match LocalAddress.
RULES = {
    "127.1.0.1": "AllowUsers somebody-else",
    "127.1.0.2": "DenyUsers alice",
    "127.1.0.3": "AllowGroups somebodies",
    "127.1.0.4": "DenyGroups alice nobodies",
    "127.1.0.5": "PermitRootLogin no",
    "127.1.0.6": "AuthenticationMethods publickey,password",
    "127.1.0.7": "AuthenticationMethods publickey,keyboard-interactive",
    "127.1.0.8": "AuthenticationMethods publickey,publickey",
    "127.1.0.9": "PermitEmptyPasswords yes",
    "127.1.0.10": "AuthenticationMethods publickey\n  PubkeyAuthentication no",
    "127.1.0.11": "HostbasedAuthentication yes\n  HostbasedAcceptedKeyTypes *ed25519*",
    "127.1.0.12": "PermitRootLogin yes",
    "127.1.0.13": "PermitRootLogin forced-commands-only",
    "127.1.0.14": "LogLevel INFO",
    "127.1.0.15": "PubkeyAcceptedKeyTypes ssh-ed25519",
    "127.1.0.16": "AuthorizedPrincipalsFile /etc/ssh/principals",
    "127.1.0.17": "AuthorizedPrincipalsFile /etc/ssh/principals_elsewhere",
    "127.1.0.18": "GSSAPIAuthentication yes",
    "127.1.0.19": "HostbasedAuthentication yes",
}
REFUSING = "127.1.0.20"
_BASE = """\
LogLevel VERBOSE
PasswordAuthentication yes
ChallengeResponseAuthentication yes
PermitRootLogin prohibit-password
TrustedUserCAKeys /etc/ssh/user_ca.pub
RevokedKeys /etc/ssh/revoked
HostbasedUsesNameFromPacketOnly yes
IgnoreRhosts no
"""
# What only later versions know, with its first version.
_LATER = {"RequiredRSASize 2048": "9.2", "PerSourcePenalties no": "10.0"}


def version_of(text: str) -> tuple[int, ...]:
    """Return a version as numbers."""
    return tuple(map(int, text.split(".")))


def sshd_config(version: str, *lines: str, pam: bool = True) -> str:
    """Return a whole sshd_config; ``lines`` come first, and what comes first holds."""
    later = [line for line, first in _LATER.items() if version_of(version) >= version_of(first)]
    rules = dict(RULES)
    if version_of(version) >= (10, 0):
        rules[REFUSING] = "RefuseConnection yes"
    return "\n".join(
        [
            *lines,
            f"UsePAM {'yes' if pam else 'no'}",
            _BASE,
            *later,
            *(f"Match LocalAddress {address}\n  {rule}" for address, rule in rules.items()),
            "",
        ]
    )
