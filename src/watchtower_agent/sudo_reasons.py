"""Why sudo refuses, in sudo's words: plugins/sudoers of sudo 1.9.5p2, 1.9.13p3 and 1.9.16p2."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A text of sudo's that says that it did not do what it was asked.

    Attributes:
        reason: the event's word for it.
        beginning: what a line that says so begins with. Only sudo can have written that.
        whole: the whole text. Its end may be the caller's choice. A group "target" in it is the
            name of an account or a group that does not exist; a field repeats it.
    """

    reason: str
    beginning: re.Pattern[str]
    whole: re.Pattern[str]

    @property
    def strange_target(self) -> bool:
        """Whether what was asked for does not exist, so that its name is the caller's choice."""
        return "target" in self.whole.groupindex


def _refusal(reason: str, beginning: str, tail: str = "") -> Refusal:
    # A line may have been cut behind any word.
    start = beginning.removesuffix(" ") + (r"(?: |\Z)" if tail else r"(?: ;|\Z)")
    return Refusal(reason, re.compile(start), re.compile(beginning + tail, re.DOTALL))


_CHOSEN = r".+"
_ERROR = r"[^;\n]+"  # pam_strerror(3)

REFUSALS = (
    # logging.c, log_auth_failure() and log_denial().
    _refusal("wrong_password", r"\d{1,10} incorrect password attempts?"),
    _refusal("password_required", r"a password is required"),
    _refusal("not_in_sudoers", r"user NOT in sudoers"),
    _refusal("not_on_host", r"user NOT authorized on host"),
    _refusal("not_allowed", r"command not allowed"),
    _refusal("not_allowed", r"setid command rejected in intercept mode"),
    # sudoers.c and env.c: an option of sudo's, or what was given to one.
    _refusal("option_not_allowed", r"user not allowed to change root directory to ", _CHOSEN),
    _refusal("option_not_allowed", r"user not allowed to change directory to ", _CHOSEN),
    _refusal("option_not_allowed", r"user not allowed to override closefrom limit"),
    _refusal("option_not_allowed", r"user not allowed to set a command timeout"),
    _refusal("option_not_allowed", r"user not allowed to preserve the environment"),
    _refusal(
        "option_not_allowed",
        r"sorry, you are not allowed to set the following environment variables: ",
        _CHOSEN,
    ),
    _refusal("option_not_allowed", r"invalid user-specified editor: ", _CHOSEN),
    _refusal("no_tty", r"no tty"),
    # sudoers.c, set_runaspw() and set_runasgr(). 1.9.5p2 has the colon.
    _refusal("unknown_target", r"unknown (?:user|group|uid):? ", r"(?P<target>.+)"),
    # sudoers.c, check_user_shell(): the target's shell is not in /etc/shells.
    _refusal("invalid_shell", r"invalid shell for user ", _CHOSEN),
    # auth/pam.c, sudo_pam_approval() and sudo_pam_begin_session().
    _refusal("pam_account", r"account validation failure, is your account locked\?"),
    _refusal("pam_account", r"PAM account management error: ", _ERROR),
    _refusal(
        "account_expired", r"Account expired or PAM config lacks an \"account\" section", _ERROR
    ),
    _refusal("password_expired", r"Password expired, contact your system administrator"),
    _refusal("password_expired", r"unable to change expired password: ", _ERROR),
    _refusal("pam_session", r"pam_open_session: ", _ERROR),
    # auth/pam.c and auth/sudo_auth.c: nobody can authenticate.
    _refusal("authentication_error", r"PAM authentication error: ", _ERROR),
    _refusal("authentication_error", r"unable to initialize PAM: ", _ERROR),
    _refusal("authentication_error", r"Unable to initialize authentication methods\."),
    _refusal(
        "authentication_error", r"[A-Z][a-z ]+ authentication methods compiled into ", _ERROR
    ),
)

# What sudo also complains of, and goes on: files, clocks, settings. 1.9.5p2 to 1.9.16p2, all
# calls of log_warning() and log_warningx() that are no refusals.
WARNING = re.compile(
    r"unable to (?:open|read|stat|write|create|update|get|resolve|connect|look) "
    r"|problem with defaults entries"
    r"|parse error in "
    r"|ignoring time stamp from the future"
    r"|time stamp too far in the future: "
    r"|timestamp owner \(|\S+:\d+:\d+:? "
    r"|lecture status path too long: "
    r"|error reading lecture file |ignoring lecture file "
    r"|unknown login class"
    r"|Account or password is expired, reset your password and try again"
    r"|\S+ is (?:not a regular file|world writable|owned by [ug]id \d+, should be \d+)"
)


def reason_of(text: str) -> str | None:
    """Return the event's word for a text of sudo's, or None if it is no refusal that is known."""
    return next((known.reason for known in REFUSALS if known.whole.fullmatch(text)), None)
