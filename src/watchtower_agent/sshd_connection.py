"""sshd's format strings about connections that end before anybody has logged in.

OpenSSH 8.4 to 10.0, portable, as in Debian 11 to 13. Where versions differ, both stand here.
"""

from __future__ import annotations

import re

from watchtower_agent.event import CONNECTION_DROPPED, CONNECTION_FAILED
from watchtower_agent.line_format import LineFormat
from watchtower_agent.sshd_family import Speaker, SshdFamily, family

_PEER = "{source_ip} port {source_port}"
# packet.c, sshpkt_fmt_connection_id(): "%.200s%s%s port %d", with what auth2.c and monitor.c put
# in front once the client has named a user. (monitor.c forgets a space.)
_PEERS = (_PEER, "{state}user {preamble_user} " + _PEER)


def _ended(reason: str, template: str, speaker: Speaker = Speaker.EITHER) -> SshdFamily:
    """Return a family for a template with ``PEER`` in it."""
    templates = (template.replace("PEER", peer) for peer in _PEERS)
    return family(CONNECTION_FAILED, *templates, reason=reason, speaker=speaker)


_OFFER = "{mismatch}. Their offer: {offer}"
# sshd.c, drop_connection(); until 9.7 only ever "past MaxStartups".
_DROP = "drop connection #{count} from [{source_ip}]:{source_port} on [{local_ip}]:{local_port} "
# srclimit.c, srclimit_penalise() and srclimit_penalty_check_allow(), since 9.8.
_PENALTIES = (
    "penalty: {penalty}",
    "too many penalised addresses",
    "PerSourcePenalties",
)
# sshd.c, drop_connection(): children's ids are "connection from %s to %s" or without the end.
_LISTENED = ("connection from {source_ip} to {local_ip}", "connection from {source_ip}")

CONNECTION = (
    # packet.c, sshpkt_vfatal().
    family(
        CONNECTION_FAILED,
        "Connection closed by {state}user {preamble_user} " + _PEER,
        reason="closed",
        speaker=Speaker.EITHER,
    ),
    # serverloop.c, process_input(), says this of a session's end, too.
    family(
        CONNECTION_FAILED,
        f"Connection closed by {_PEER}",
        reason="closed",
        speaker=Speaker.EITHER,
        before_login=True,
    ),
    _ended("reset", "Connection reset by PEER"),
    _ended("timeout", "Connection from PEER timed out"),
    # "Received disconnect from …" goes before it and says what the client gave as its reason.
    _ended("client_disconnected", "Disconnected from PEER"),
    # ssherr.c, ssh_err() names what does not match; the offer is the client's own text, and often
    # so long that the line is cut.
    SshdFamily(
        CONNECTION_FAILED,
        re.compile(
            r"Unable to negotiate with (?P<source_ip>[0-9A-Fa-f:.%a-z]+)"
            r" port (?P<source_port>\d+): "
        ),
        (LineFormat(f"Unable to negotiate with {_PEER}: {_OFFER}", "no_common_algorithm"),),
        Speaker.CHILD,
    ),
    family(
        CONNECTION_FAILED,
        "Unable to negotiate with {state}user {preamble_user} " + f"{_PEER}: {_OFFER}",
        reason="no_common_algorithm",
        speaker=Speaker.CHILD,
    ),
    # The banner is exchanged before there is a child: sshd.c or sshd-session.c, main().
    SshdFamily(
        CONNECTION_FAILED,
        re.compile("banner exchange: Connection from "),
        (LineFormat(f"banner exchange: Connection from {_PEER}: {{error}}", "bad_protocol"),),
        Speaker.EITHER,
    ),
    # kex.c, kex_exchange_identification().
    family(
        CONNECTION_FAILED,
        f"probed from {_PEER} with {{text}}.  Don't panic.",
        f"scanned from {_PEER} with {{text}}.  Don't panic.",
        reason="bad_protocol",
    ),
    # sshd.c and sshd-session.c, check_ip_options().
    family(
        CONNECTION_FAILED,
        f"Connection from {_PEER} with IP opts: {{text}}",
        reason="disconnected_by_server",
        level="fatal: ",
    ),
    *(
        SshdFamily(
            CONNECTION_FAILED,
            re.compile("[a-z_]+: (?:[A-Za-z ]+: )?Connection from "),
            tuple(
                LineFormat(f"{{function}}: Connection from {peer}: {{error}}", "protocol_error")
                for peer in _PEERS
            ),
            Speaker.EITHER,
            level,
        )
        for level in ("", "fatal: ")
    ),
    # packet.c, ssh_packet_disconnect(): "Disconnecting %s: %.100s".
    SshdFamily(
        CONNECTION_FAILED,
        re.compile("Disconnecting "),
        tuple(
            LineFormat(f"Disconnecting {peer}: {message}", reason)
            for peer in _PEERS
            for message, reason in (
                ("Too many authentication failures", "too_many_failures"),
                ("{message}", "disconnected_by_server"),
            )
        ),
        Speaker.CHILD,
    ),
    # sshd.c, grace_alarm_handler(), until 9.7; sshd.c, child_reap(), since 9.8.
    family(
        CONNECTION_FAILED,
        f"Timeout before authentication for {_PEER}",
        reason="timeout",
        level="fatal: ",
    ),
    family(
        CONNECTION_FAILED,
        *(
            f"Timeout before authentication for {who}, pid = {{session_pid}}{{child_status}}"
            for who in _LISTENED
        ),
        reason="timeout",
        listener=True,
    ),
    # sshd.c, child_reap(): the process without privileges crashed, which an attack may do.
    family(
        CONNECTION_FAILED,
        *(
            f"Session process {{session_pid}} unpriv child crash for {who}{{child_status}}"
            for who in _LISTENED
        ),
        reason="crashed",
        listener=True,
    ),
    family(
        CONNECTION_FAILED,
        *(
            f"session process {{session_pid}} for {who} {how}{{child_status}}"
            for who in _LISTENED
            for how in ("killed by signal {number}", "terminated abnormally, status=0x{hex}")
        ),
        reason="crashed",
        level="error: ",
        listener=True,
    ),
    # sshd.c and sshd-session.c, privsep_preauth(); monitor_wrap.c, mm_reap().
    family(
        CONNECTION_FAILED,
        "privsep_preauth: preauth child terminated by signal {number}",
        reason="crashed",
        level="fatal: ",
    ),
    # sshd.c, drop_connection().
    SshdFamily(
        CONNECTION_DROPPED,
        re.compile("drop connection #"),
        (
            LineFormat(f"{_DROP}past MaxStartups", "max_startups"),
            LineFormat(f"{_DROP}Maxstartups", "max_startups"),
            *(LineFormat(f"{_DROP}{penalty}", "penalty") for penalty in _PENALTIES),
        ),
        listener=True,
    ),
    family(
        CONNECTION_DROPPED,
        "beginning MaxStartups throttling",
        reason="throttling_began",
        level="error: ",
        listener=True,
    ),
    family(
        CONNECTION_DROPPED,
        "in MaxStartups throttling for {timeframe}, {lost_connections} connections dropped",
        reason="throttling_goes_on",
        level="error: ",
        listener=True,
    ),
    family(
        CONNECTION_DROPPED,
        "exited MaxStartups throttling after {timeframe}, {lost_connections} connections dropped",
        reason="throttling_ended",
        listener=True,
    ),
    family(
        CONNECTION_DROPPED,
        "Maxstartups logging rate-limited: additional {lost_connections} connections dropped",
        "PerSourcePenalties logging rate-limited: additional {lost_connections}"
        " connections dropped",
        reason="not_logged",
        listener=True,
    ),
    # libwrap, refuse.c and eval.c, which Debian's sshd is linked with.
    family(
        CONNECTION_DROPPED,
        "refused connect from {source_host}",
        "refused connect from {host} ({source_ip})",
        reason="tcp_wrappers",
    ),
    # Whatever else ends the child, and with it the connection: a packet that breaks the protocol.
    SshdFamily(
        CONNECTION_FAILED,
        re.compile(""),
        (LineFormat("{text}", "protocol_error"),),
        Speaker.CHILD,
        "fatal: ",
    ),
)
