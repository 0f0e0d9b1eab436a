"""A second, small lab for attacks that need another policy, or leave too much behind.

One at a time, beside the first; attacks that follow each other with the same policy share it.
"""

from roamtools.demo.desk import wait_until
from roamtools.hostile.stage import VICTIM, Stage
from roamtools.lab import plan
from roamtools.lab.piv_cards import PIN

COPIED = 'piv = "off"\nuid = "registered"\nafter_hotdesk = "password"\n'
PINS = 'piv = "registered"\npiv_proof = "pin"\nuid = "off"\n'


class SideStage(Stage):
    """As the first stage; what bob has to type there, he types."""

    def sit_down(self) -> None:
        """Bob's card goes in at his desk."""
        copied = self.policy == COPIED
        self.lab.insert(VICTIM, "B" if copied else "", piv="" if copied else "bob")
        if copied:
            self.types(VICTIM, "password", plan.PASSWORD)
        elif self.policy == PINS:
            self.types(VICTIM, "pin", PIN)
        wait_until("bob sees his session", lambda: bool(self.victim.state()["session"]))

    def types(self, desk: str, asked: str, text: str) -> None:
        """A person types what the desk asks for."""
        wait_until(f"{desk} asks", lambda: self.lab.desk_state(desk)["asks"] == asked)
        self.lab.type(desk, f"{text}\n")


def beside(stage: Stage, policy: str) -> SideStage:
    """The small lab with that policy."""
    side = stage.side
    if isinstance(side, SideStage) and side.policy == policy and side.lab.exists():
        return side
    stage.end_side()
    folder = stage.folder / f"side-{len(list(stage.folder.glob('side-*')))}"
    folder.mkdir()
    # A lab's name is part of its paths, which sockets keep short.
    made = SideStage(f"{stage.lab.name[:16]}-{folder.name[5:]}", folder, policy)
    stage.side = made
    made.__enter__()
    return made
