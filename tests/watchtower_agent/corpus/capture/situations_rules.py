"""sshd's rules: who may log in, from where, how often, how fast. Each starts sshd anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from configuration import REFUSING, version_of
from host import PASSWORD

if TYPE_CHECKING:
    from stage import Stage


def refused_users(stage: Stage) -> None:
    """Allow and Deny, root, shells, PAM's account rules."""
    for server in ("127.1.0.1", "127.1.0.2", "127.1.0.3", "127.1.0.4"):
        with stage.situation("a user whom the rules refuse: password"):
            client = stage.connect(server).begin()
            client.try_password(b"alice", PASSWORD)
            client.disconnect()
    with stage.situation("a user whom the rules refuse: key, then the client vanishes"):
        client = stage.connect("127.1.0.1").begin()
        client.try_key(b"alice", stage.cast.keys["ed25519"])
        client.close()
    with stage.situation("a user of no group"):
        client = stage.connect("127.1.0.3").begin()
        client.try_password(b"mia", PASSWORD)
        client.disconnect()
    for user in (b"judy", b"kim"):
        with stage.situation("a shell that cannot run"):
            client = stage.connect().begin()
            client.try_password(user, PASSWORD)
            client.disconnect()
    for server in ("127.0.0.1", "127.1.0.5", "127.1.0.13"):
        with stage.situation("root's right password, which is not enough"):
            client = stage.connect(server).begin()
            client.try_password(b"root", PASSWORD)
            client.disconnect()
        with stage.situation("root's right key"):
            client = stage.connect(server).begin()
            client.try_key(b"root", stage.cast.keys["ed25519"])
            client.run(b"true")
            client.disconnect()
    for user in (b"heidi", b"ivan", b"liam", b"olivia"):
        with stage.situation(f"PAM's account rules: {user.decode()}, password"):
            client = stage.connect().begin()
            client.try_password(user, PASSWORD)
            client.run(b"true")
            client.disconnect()
        with stage.situation(f"PAM's account rules: {user.decode()}, key"):
            client = stage.connect("::1").begin()
            client.try_key(user, stage.cast.keys["ed25519"])
            client.run(b"true")
            client.disconnect()
    stage.host.write("/etc/nologin", "The house is closed.\n")
    with stage.situation("PAM's account rules: /etc/nologin"):
        client = stage.connect().begin()
        client.try_key(b"alice", stage.cast.keys["ed25519"])
        client.disconnect()
    stage.host.run("rm", "/etc/nologin")
    if version_of(stage.version) >= (10, 0):
        for user in (b"alice", b"x from 1.2.3.4 port 22"):
            with stage.situation("a connection that the rules refuse"):
                client = stage.connect(server=REFUSING).begin()
                client.try_none(user)


def without_pam(stage: Stage) -> None:
    """UsePAM no: sshd looks at the accounts itself."""
    stage.start(pam=False)
    for user in (b"heidi", b"liam", b"olivia", b"alice", b"nosuch"):
        with stage.situation(f"UsePAM no: {user.decode()}, password"):
            client = stage.connect().begin()
            client.try_password(user, PASSWORD)
            client.run(b"true")
            client.disconnect()
        with stage.situation(f"UsePAM no: {user.decode()}, key"):
            client = stage.connect().begin()
            client.try_key(user, stage.cast.keys["ed25519"])
            client.disconnect()
    stage.host.write("/etc/nologin", "The house is closed.\n")
    with stage.situation("UsePAM no: /etc/nologin"):
        client = stage.connect().begin()
        client.try_key(b"alice", stage.cast.keys["ed25519"])
        client.run(b"true")
        client.disconnect()
    stage.host.run("rm", "/etc/nologin")


def host_names(stage: Stage) -> None:
    """UseDNS yes: some lines have a name for the address."""
    stage.start("UseDNS yes")
    for source, host in (
        ("127.0.0.9", "client.example.org"),
        ("127.0.0.12", "127.0.0.12"),
    ):
        with stage.situation("UseDNS: a user whom the rules refuse"):
            client = stage.connect("127.1.0.1", source=source, host=host).begin()
            client.try_password(b"alice", PASSWORD)
            client.disconnect()
        for user in (b"alice", b"nosuch from 1.2.3.4"):
            with stage.situation("UseDNS: a question answered wrongly"):
                client = stage.connect(source=source, host=host).begin()
                client.try_keyboard(user, b"wrong")
                client.disconnect()
    with stage.situation("UseDNS: an address that authorized_keys does not admit"):
        client = stage.connect(source="127.0.0.9", host="client.example.org").begin()
        client.try_key(b"dave", stage.cast.keys["ed25519"])
        client.disconnect()


def old_fingerprints(stage: Stage) -> None:
    """FingerprintHash md5."""
    stage.start("FingerprintHash md5")
    key = stage.cast.keys["rsa"]
    with stage.situation("FingerprintHash md5"):
        client = stage.connect().begin()
        client.try_key(b"alice", stage.md5(key))
        client.disconnect()


def tcp_wrappers(stage: Stage) -> None:
    """/etc/hosts.deny, which Debian's sshd still obeys."""
    stage.host.write("/etc/hosts.deny", "ALL: 127.0.0.66 [fe80::]/10\n")
    with stage.situation("hosts.deny"):
        stage.connect(source="127.0.0.66").exchange_banners()
    with stage.situation("hosts.deny: link-local IPv6"):
        stage.connect(stage.link_local()).exchange_banners()
    stage.host.write("/etc/hosts.deny", "")


def time_limits(stage: Stage) -> None:
    """LoginGraceTime, ClientAliveInterval."""
    stage.start("LoginGraceTime 1")
    with stage.situation("LoginGraceTime: no banner"):
        stage.connect().wait_until_closed()
    with stage.situation("LoginGraceTime: no name"):
        client = stage.connect("::1").begin()
        client.wait_until_closed()
    with stage.situation("LoginGraceTime: alice"):
        client = stage.connect(stage.link_local()).begin()
        client.try_none(b"alice")
        client.wait_until_closed()
    stage.start("ClientAliveInterval 1\nClientAliveCountMax 1")
    with stage.situation("ClientAliveInterval: after login"):
        client = stage.connect().begin()
        client.try_key(b"alice", stage.cast.keys["ed25519"])
        client.wait_until_closed()


def floods(stage: Stage) -> None:
    """MaxStartups, PerSourceMaxStartups."""
    stage.start("MaxStartups 2:100:2")
    with stage.situation("MaxStartups"):
        crowd = [stage.connect(source=f"127.0.2.{number}") for number in range(1, 3)]
        for client in crowd:
            client.exchange_banners()
        late = [stage.connect(source=f"127.0.2.{number}") for number in range(3, 6)]
        late.append(stage.connect("::1"))
        for client in late:
            client.wait_until_closed()
    with stage.situation("MaxStartups: when the crowd is gone"):
        stage.connect().exchange_banners()
    if version_of(stage.version) >= version_of("9.2"):
        stage.start("PerSourceMaxStartups 1")
        with stage.situation("PerSourceMaxStartups"):
            stage.connect().exchange_banners()
            stage.connect().wait_until_closed()


def penalties(stage: Stage) -> None:
    """PerSourcePenalties, of 9.8 and later."""
    rules = "crash:60 authfail:60 noauth:60 grace-exceeded:60 refuseconnection:60 min:1"
    stage.start(f"PerSourcePenalties {rules}\nLoginGraceTime 1\nPerSourceNetBlockSize 32:128")
    with stage.situation("a penalty for a wrong password"):
        client = stage.connect(source="127.0.3.1").begin()
        client.try_password(b"nosuch", b"wrong")
        client.disconnect()
    with stage.situation("a penalty for nothing"):
        client = stage.connect(source="127.0.3.2")
        client.exchange_banners()
        client.close()
    with stage.situation("a penalty for taking too long"):
        stage.connect(source="127.0.3.3").wait_until_closed()
    with stage.situation("a penalty for a connection that the rules refuse"):
        client = stage.connect(source="127.0.3.4", server=REFUSING).begin()
        client.try_none(b"alice")
    with stage.situation("a penalty for a crash"):
        client = stage.connect(source="127.0.3.5").begin()
        stage.crash()
    with stage.situation("a penalty over IPv6"):
        stage.connect("::1").close()
    for number in range(1, 6):
        with stage.situation("a connection under a penalty"):
            stage.connect(source=f"127.0.3.{number}").wait_until_closed()
    with stage.situation("a connection under a penalty, over IPv6"):
        stage.connect("::1").wait_until_closed()
    stage.start("PerSourcePenalties noauth:60 min:1 max-sources4:1 overflow:deny-all")
    with stage.situation("more penalties than sshd keeps: the first"):
        stage.connect(source="127.0.4.1").close()
    with stage.situation("more penalties than sshd keeps: another address"):
        stage.connect(source="127.0.4.2").wait_until_closed()


def crashes(stage: Stage) -> None:
    """The process without privileges dies."""
    with stage.situation("a crash"):
        stage.connect("::1").begin()
        stage.crash()
    if version_of(stage.version) >= (10, 0):
        with stage.situation("a crash of the process with root's rights"):
            stage.connect("::1").begin()
            stage.crash_monitor()


def life(stage: Stage) -> None:
    """The listener's own life."""
    with stage.situation("reload"):
        stage.host.run("systemctl", "reload", "ssh.service")
        time.sleep(0.5)
    with stage.situation("stop and start"):
        stage.start()
