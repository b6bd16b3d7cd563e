"""The images that a person should correct next, found by a process (no slicer)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedSegDLScene.interpreter import Interpreter
from MedSegDLTrainScene.command_work import CommandWork


@dataclass(frozen=True)
class Candidate:
    """An image that nobody has corrected: of a case, or (`case` is "") of none yet; and what a model made of it.

    `mean_entropy` in bits a voxel: see MedSegDLLib.uncertainty. `prediction`: a .seg.nrrd file.
    """

    case: str
    image: Path
    mean_entropy: float
    prediction: Path
    model_id: str
    model_sha256: str

    @property
    def name(self) -> str:
        """For a person."""
        return self.case or self.image.name


class NextCases(CommandWork):
    """Lets a model look at all that is not corrected; `ranked`, least sure first, is filled when it ends.

    `images`: a folder of image files that are no cases yet, which are looked at, too. What is known is not looked at again.
    """

    def __init__(
        self,
        folder: Path,
        model_id: str,
        interpreter: Interpreter,
        images: Path | None = None,
        limit: int = 5,
    ) -> None:
        arguments = ["cases", "next", str(folder), "--model", model_id, "--limit", str(limit), "--json"]
        super().__init__(interpreter, [*arguments, *(["--images", str(images)] if images else [])])
        self.done, self.of, self.name = 0, 0, ""
        self.ranked: tuple[Candidate, ...] = ()
        self.warnings: list[str] = []

    def _hear(self, event: dict) -> None:
        kind = event.get("event")
        if kind == "scoring":
            self.done, self.of, self.name = event["done"], event["of"], event["name"]
        elif kind == "warning":
            self.warnings.append(event["text"])
        elif kind == "ranked":
            model = event["model"], event["model_sha256"]
            self.ranked = tuple(
                Candidate(one["case"], Path(one["image"]), one["mean_entropy"], Path(one["prediction"]), *model)
                for one in event["images"]
            )
