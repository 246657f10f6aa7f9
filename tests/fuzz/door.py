"""What a door is: a way for data of others to come in, with whole inputs to damage and what may come of them."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from random import Random

from comfyui_fulldit.control.errors import UserError

from .mutations import mutated

READ, REFUSED = "read", "refused"


class Door(ABC):
    """One door. folder: where the whole inputs lie, and where the damaged ones go."""

    name = ""
    seconds = 10.0  # of computing, more than which counts as a hang

    def __init__(self, folder: Path):
        self.folder = folder
        self.whole, self.damaged = folder / "whole", folder / "damaged"
        self.whole.mkdir(parents=True)

    @abstractmethod
    def attack(self, chance: Random) -> str:
        """Damage one input and use it; READ or REFUSED. Raises what should not have happened."""


class FileDoor(Door):
    """A door for files: `make` writes whole ones, `use` reads a damaged one and checks what comes."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.make()
        self.seeds = sorted(path for path in self.whole.iterdir())
        self.pieces = [path.read_bytes() for path in self.whole.rglob("*") if path.is_file()]

    @abstractmethod
    def make(self) -> None:
        """Write whole files and folders into `self.whole`."""

    @abstractmethod
    def use(self, path: Path, chance: Random) -> None:
        """Read a damaged file or folder. Raises UserError where it is refused."""

    def attack(self, chance: Random) -> str:
        shutil.rmtree(self.damaged, ignore_errors=True)
        self.damaged.mkdir()
        seed = chance.choice(self.seeds)
        target = self.damaged / seed.name
        if seed.is_dir():
            shutil.copytree(seed, target)
            victim = chance.choice(sorted(path for path in target.rglob("*") if path.is_file()))
        else:
            victim = target
        source = seed / victim.relative_to(target) if seed.is_dir() else seed
        victim.write_bytes(mutated(source.read_bytes(), chance, chance.choice(self.pieces)))
        if not seed.is_dir() and chance.random() < 0.05:  # under the name of another format
            target = victim.rename(victim.with_suffix(chance.choice(self.seeds).suffix))
        return attempt(lambda: self.use(target, chance))


def attempt(work: object) -> str:
    """Call `work`; READ, or REFUSED where it raises a UserError in one sentence that a person can read."""
    try:
        work()  # type: ignore[operator]
    except UserError as error:
        text = str(error)
        assert 15 < len(text) < 3000 and "Traceback" not in text, f"not a sentence: {text[:300]!r}"
        return REFUSED
    return READ
