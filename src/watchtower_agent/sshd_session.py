"""The lines that Linux-PAM writes from within sshd when a session opens and closes.

modules/pam_unix/pam_unix_sess.c, Linux-PAM 1.4 to 1.7.
"""

from __future__ import annotations

from watchtower_agent.event import SESSION_CLOSED, SESSION_OPENED
from watchtower_agent.sshd_family import family

SESSION = (
    family(
        SESSION_OPENED,
        "pam_unix(sshd:session): session opened for user {pam_user}(uid={number})"
        " by {opener}(uid={other_number})",
    ),
    family(SESSION_CLOSED, "pam_unix(sshd:session): session closed for user {pam_user}"),
)
