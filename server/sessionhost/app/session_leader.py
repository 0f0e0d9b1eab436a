"""One session: its PAM session, its X server, its services, and their common end.

Started by launcherd as root, as a file: `python -I -S session_leader.py key=value ...`. What needs
root is here (PAM, changing the user, ending everything that the session leaves behind); X server
and services run as the session's user. Descriptors: 0 the listening RFB socket, 1 a pipe to
launcherd (`pid N`, then `ready` or `failed WORDS`), 2 the log.

Only what the X server needs is imported before it is started; the rest loads while it starts.
No module may be imported after the change of user, who may have no right to read them.
"""

import fcntl
import os
import pwd
import signal
import sys
import time
from collections.abc import Callable

# -I -S keeps the interpreter's start under 10 ms and leaves our packages out of the path.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sessionhost.adapters import process_tree, session_memory, xserver
from sessionhost.adapters.pam import PamError, PamSession

PAM_SERVICE = "roamdesk"

TERM_GRACE_S = 1.0
"""What programs get to write their state after SIGTERM, before SIGKILL."""

KILL_ROUNDS = 50
KILL_ROUND_S = 0.02

ENDED_STOPPED = 0
ENDED_X = 3
ENDED_FAILED = 4

LOWEST_FD = 10  # Xtigervnc -inetd takes descriptor 3 for itself
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"


class Leader:
    """One session from its first to its last process."""

    def __init__(self, order: dict[str, str]) -> None:
        self.session = order["session"]
        self.account = pwd.getpwnam(order["user"])
        self.recipe_file = order["recipe_file"]
        self.size = int(order["width"]), int(order["height"])
        self.directory = order["directory"]
        self.user_dir = os.path.join(self.directory, "user")
        self.defaults = {
            "PATH": PATH,
            "LANG": order.get("lang", "C.UTF-8"),
            "XDG_RUNTIME_DIR": self.user_dir,
        }
        self.environment = {
            "HOME": self.account.pw_dir,
            "USER": self.account.pw_name,
            "LOGNAME": self.account.pw_name,
            "SHELL": self.account.pw_shell or "/bin/sh",
            "XAUTHORITY": os.path.join(self.user_dir, "Xauthority"),
            "XDG_SESSION_TYPE": "x11",
            process_tree.SESSION_VARIABLE: self.session,
        }

    def run(self) -> int:
        """Returns the exit status when nothing of the session is left."""
        say(f"pid {os.getpid()}")
        watched = {signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        process_tree.become_subreaper()
        os.initgroups(self.account.pw_name, self.account.pw_gid)
        pam = PamSession(PAM_SERVICE, self.account.pw_name, self.session)
        try:
            self.environment = self.defaults | pam.open() | self.environment
            status = self._live(watched)
        finally:
            end_descendants()
            pam.close()
        return status

    def _live(self, watched: set[signal.Signals]) -> int:
        display_read, display_write = os.pipe()
        output = os.pipe()
        account = self.account
        with session_memory.runtime_dir(self.user_dir, account.pw_uid, account.pw_gid):
            x_server = self._start_x(display_write, output[1])
            os.close(display_write)
            runner = self._start_runner(display_read, output)
            os.close(display_read)
        for fd in (*output, 0, 1):
            os.close(fd)
        while True:
            if signal.sigwait(watched) == signal.SIGTERM:
                return ENDED_STOPPED
            ended = reap()
            if x_server in ended:
                return ENDED_X
            if runner in ended:
                return ENDED_FAILED

    def _start_x(self, display_write: int, log_write: int) -> int:
        width, height = self.size
        display_fd = fcntl.fcntl(display_write, fcntl.F_DUPFD, LOWEST_FD)
        auth_file = self.environment["XAUTHORITY"]
        title = f"{self.account.pw_name} {self.session}"
        command = xserver.command(display_fd, auth_file, width, height, title)
        key = xserver.authority()
        pid = self._fork(session_memory.private_tmp)
        if pid:
            os.close(display_fd)
            return pid
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        try:
            with open(os.open(auth_file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(key)
            os.dup2(log_write, 1)
            os.dup2(log_write, 2)
            os.execvpe(command[0], command, self.environment)
        except OSError as error:
            os.write(log_write, f"roamdesk: {command[0]}: {error.strerror}\n".encode())
        os._exit(127)

    def _start_runner(self, display_read: int, output: tuple[int, int]) -> int:
        # Here and not above: this takes 20 ms, which the X server needs to start anyway.
        from sessionhost.adapters.keyboard_layout import open_pipe  # noqa: PLC0415
        from sessionhost.adapters.service_runner import ServiceRunner, open_log  # noqa: PLC0415
        from sessionhost.core.services import parse_recipe  # noqa: PLC0415

        with open(self.recipe_file, encoding="utf-8") as file:
            recipe = parse_recipe(os.path.basename(self.recipe_file), file.read())
        values = {
            "home": self.account.pw_dir,
            "recipe_dir": os.path.dirname(self.recipe_file),
            "session": self.session,
            "session_dir": self.directory,
            "user": self.account.pw_name,
        }
        keyboard, log = open_pipe(self.directory), open_log(self.directory)
        pid = self._fork()
        if pid:
            os.close(keyboard)
            os.close(log)
            return pid
        try:
            os.dup2(output[1], 0)  # the RFB socket is the X server's alone
            fds = display_read, output, 1, keyboard, log
            ServiceRunner(recipe, values, self.environment, *fds).run()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        os._exit(0)

    def _fork(self, prepare: Callable[[], None] = lambda: None) -> int:
        """Forks; the child is the session's user, in its home, and dies with us.

        `prepare` is what it still does as root.
        """
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            prepare()
            os.setresgid(*[self.account.pw_gid] * 3)
            os.setresuid(*[self.account.pw_uid] * 3)
            process_tree.die_with_parent(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.umask(0o022)
            try:
                os.chdir(self.account.pw_dir)
            except OSError:
                os.chdir("/")
        except BaseException as error:
            say_log(f"session {self.session}: {error}")
            os._exit(126)
        return 0


def reap() -> dict[int, int]:
    """Children that ended, with their status."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def end_descendants() -> None:
    """SIGTERM for all, then SIGKILL until none is left; orphans come to us, so none escapes."""
    process_tree.signal_all(process_tree.descendants(os.getpid()), signal.SIGTERM)
    deadline = time.monotonic() + TERM_GRACE_S
    rounds = 0
    while left := process_tree.descendants(os.getpid()):
        if time.monotonic() >= deadline:
            process_tree.signal_all(left, signal.SIGKILL)
            rounds += 1
            if rounds > KILL_ROUNDS:
                say_log(f"processes {left} cannot be killed")
                return
        signal.sigtimedwait({signal.SIGCHLD}, KILL_ROUND_S)
        reap()


def say(text: str) -> None:
    """A line for launcherd, which may be gone."""
    try:
        os.write(1, f"{text}\n".encode())
    except OSError:
        pass


def say_log(text: str) -> None:
    try:
        os.write(2, f"session_leader: {text}\n".encode())
    except OSError:
        pass


def main(arguments: list[str]) -> int:
    order = dict(argument.split("=", 1) for argument in arguments)
    try:
        return Leader(order).run()
    except (OSError, KeyError, ValueError, PamError) as error:
        say(f"failed {error}")
        say_log(f"session {order.get('session')}: {error}")
        return ENDED_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
