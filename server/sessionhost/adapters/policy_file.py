"""The group's policy.toml: read for the daemon, written for a new group. Judging is the core's."""

from dataclasses import dataclass
from pathlib import Path

from roamwire.settings import MAX_FILE_BYTES, SettingsError
from sessionhost.adapters.card_authorities import FOLDER, CardAuthorities
from sessionhost.core.policy import SETTINGS, Policy, policy_hash, policy_of

POLICY_NAME = "policy.toml"


@dataclass(frozen=True)
class LoadedPolicy:
    """What is in force, its hash for the group, and the TOML that shows it."""

    policy: Policy
    digest: str
    text: str


def load_policy(group_dir: Path) -> LoadedPolicy:
    """The policy of a group's folder, defaults where it has none; SettingsError if it is bad."""
    path = group_dir / POLICY_NAME
    values = SETTINGS.defaults()
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1).decode("utf-8")
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    else:
        values = SETTINGS.parse(text, str(path))
    policy = policy_of(values, str(path))
    authorities = CardAuthorities(group_dir / FOLDER, need_list=policy.chained_crl)
    digest = policy_hash(values, authorities.fingerprints)
    return LoadedPolicy(policy, digest, SETTINGS.show(values))


def default_text() -> str:
    """The policy of a new group, each setting with its help."""
    return SETTINGS.show(SETTINGS.defaults())
