"""`python -m MedSegDLLib.demo`: make a phantom of a beating heart, segment its left ventricle, and say how well that went.

Nothing from outside is needed. It shows that the program works; how good the model is on people stands in its card.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from MedSegDLLib.__main__ import main as command_line
from MedSegDLLib.files import read_labelmap
from MedSegDLLib.metrics import overlap
from MedSegDLLib.phantom import LEFT_VENTRICLE, CinePhantom, cine_phantom, write_cine

MODEL = "lv_cine_mr"
FOLDER = Path("demo")
FRAMES = 8


def main(folder: Path = FOLDER, model: str = MODEL, frames: int = FRAMES) -> int:
    """Leave the phantom, its segmentations and pictures in `folder`; returns the exit status of the segmentation.

    Label 1 of the model is compared with the phantom's left ventricle.
    """
    print("A PHANTOM, made of formulas: no person was scanned.", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    phantom = cine_phantom(frames)
    image, report = folder / "phantom.nii.gz", folder / "report.json"
    write_cine(phantom, image)
    arguments = [str(image), "--model", model, "--frame", "all", "--output", f"{folder}/"]
    arguments += ["--overlay", str(folder / "overlay.png"), "--report", str(report)]
    print(f"medsegdl segment {' '.join(arguments)}", flush=True)
    if status := command_line(["segment", *arguments]):
        return status
    print("\n".join(["", *_table(phantom, json.loads(report.read_text(encoding="utf-8")))]))
    pictures = " ".join(str(path) for path in sorted(folder.glob("*.png")))
    print(f"\nLook at {pictures}, or open {folder}/phantom_frame00.seg.nrrd with {image} in 3D Slicer.")
    return 0


def _table(phantom: CinePhantom, report: dict) -> list[str]:
    curve = report["cine"]["curves"][0]
    lines = [f"{'label':<24}{'frame':>6}{'voxels':>9}{'ml':>8}{'phantom ml':>12}{'Dice':>7}"]
    truths = []
    for frame, (output, truth) in enumerate(zip(report["cine"]["outputs"], phantom.labelmaps, strict=True)):
        found, true = read_labelmap(Path(output)).array == LEFT_VENTRICLE, truth.array == LEFT_VENTRICLE
        both = overlap(true, found)
        truths.append(both.reference * truth.geometry.voxel_volume_ml)
        lines.append(
            f"{curve['label']:<24}{frame:>6}{both.prediction:>9}{curve['volumes_ml'][frame]:>8.1f}{truths[-1]:>12.1f}"
            f"{both.dice:>7.3f}"
        )
    fraction = curve["ejection_fraction_percent"]
    found = "unknown" if fraction is None else f"{fraction:.0f} %"
    lines.append(f"ejection fraction {found}, of the phantom {100 * (1 - min(truths) / max(truths)):.0f} %")
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report["seconds"].items())
    return [*lines, f"seconds for {len(truths)} frames on {report['device']} ({report['precision']}): {stages}"]


if __name__ == "__main__":
    sys.exit(main())
