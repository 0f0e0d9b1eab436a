"""Attacks by enrold's user, after enrold was taken over: it is the daemon that strangers talk to.

It has the desk CA's key and the server's own, as it must; everything else is hostd's.
"""

from roamtools.hostile.attack import attack
from roamtools.hostile.controls import must
from roamtools.hostile.host_steps import (
    DISPLAY_USER,
    ENROL_USER,
    ETC,
    HOST_USER,
    RUN,
    STATE,
    closed_to,
    files_below,
    readable,
    registry_written_by,
    root_of,
    secret_from,
    secrets_of,
)
from roamtools.hostile.stage import Stage

OWN = ("server.key", "desk-ca.key")


def _home(stage: Stage) -> str:
    return str(stage.victim.server)


@attack("enrolds-user-reads-secrets")
def secrets_read(stage: Stage) -> str:
    """The group's secret, the audit log's key, the registry, and what hostd keeps beside it."""
    server = _home(stage)
    keys = secrets_of(stage, server)
    own = [path for path in keys if path.rpartition("/")[2] in OWN]
    must(readable(stage, server, ENROL_USER, own) == own, f"it lacks its own {own}")
    kept = [path for path in files_below(stage, server, STATE) if f"{STATE}/enrol" not in path]
    paths = [*sorted(set(keys) - set(own)), *kept]
    must(f"{ETC}/group/secret" in paths, f"no secret in {paths}")
    return secret_from(stage, server, ENROL_USER, paths, (HOST_USER,))


@attack("enrolds-user-orders-the-daemons")
def orders(stage: Stage) -> str:
    """Orders to launcherd, displayd and hostd."""
    sockets = [f"{RUN}/{name}.sock" for name in ("launcher", "display", "admin")]
    return closed_to(stage, _home(stage), ENROL_USER, sockets, HOST_USER)


@attack("enrolds-user-reaches-sessions")
def sessions(stage: Stage) -> str:
    """The RFB socket, sound and files of a session."""
    server, folder = _home(stage), f"{RUN}/sessions/{stage.session}"
    got = closed_to(stage, server, ENROL_USER, [f"{folder}/rfb/socket"], DISPLAY_USER)
    got += closed_to(stage, server, ENROL_USER, [f"{folder}/sound/socket"], "bob")
    files = files_below(stage, server, f"{root_of(stage, server, 'bob')}{folder}/user")
    return got + secret_from(stage, server, ENROL_USER, files, ("bob",))


@attack("enrolds-user-writes-the-registry")
def registry(stage: Stage) -> str:
    """Everybody's cards for carol's account, and hostd's other files replaced."""
    got = registry_written_by(stage, _home(stage), ENROL_USER)
    script = (
        f"cd {STATE}; for f in registry.sqlite audit.jsonl; do "
        "mv $f x$f 2>/dev/null && echo moved $f; rm -f $f 2>/dev/null; [ -e $f ] || echo no $f; "
        f"done; touch {STATE}/mine 2>/dev/null && echo made a file; "
        f"touch {RUN}/mine 2>/dev/null && echo made a file in {RUN}; true"
    )
    return got + stage.run_as(_home(stage), ENROL_USER, script).stdout.strip()
