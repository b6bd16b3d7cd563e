"""Does what the command line would, at once and without torch: `python fake_commands.py -m MedSegDLLib …`.

Adding cases and pictures is left to the real commands. FAKE_COMMANDS, a JSON object in the environment, says what goes wrong:
"new": a sentence with which planning fails; "publish": one with which publishing does; "slow": seconds that each takes;
"steps": of a training; "pictures": whether those of cases are made.
A training takes a step each 50 ms, and listens to pause and stop as the real one does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

WISHES = json.loads(os.environ.get("FAKE_COMMANDS", "{}"))


def option(name: str) -> str:
    """What follows an option on the command line, or after its =."""
    for place, word in enumerate(sys.argv):
        if word == name:
            return sys.argv[place + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    raise KeyError(name)


def refuse(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(2)


def new() -> None:
    from MedSegDLTrainLib.job import write_job
    from Testing.gui.train_examples import example_job

    print("Reading the cases and trying how long training steps take.", file=sys.stderr)
    if "new" in WISHES:
        refuse(WISHES["new"])
    output = Path(option("--output"))
    write_job(example_job(Path(sys.argv[5])), output)
    print(f"Written to {output}.")


def publish() -> None:
    from MedSegDLLib.zoo import user_zoo
    from Testing.gui.train_examples import ROOT

    print("measuring on case 1 of 2: b", file=sys.stderr)
    if "publish" in WISHES and "--although-worse" not in sys.argv:
        refuse(WISHES["publish"])
    folder = user_zoo() / option("--id")
    shutil.copytree(ROOT / "models_zoo" / "lv_cine_mr", folder)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8")) | {"id": folder.name, "title": option("--title")}
    card["training"]["data_kind"] = option("--data-kind")
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    print(f"{option('--id')}: published")


def report() -> None:
    from Testing.gui.train_examples import write_report

    write_report(Path(sys.argv[5]))


def next_case() -> None:
    from MedSegDLTrainLib.cases import image_path, read_case_list
    from Testing.gui.train_examples import write_prediction

    folder, images = Path(sys.argv[5]), []
    cases = [case for case in read_case_list(folder).cases if case.status == "predicted"]
    for number, case in enumerate(cases):
        print(json.dumps({"event": "scoring", "done": number, "of": len(cases), "name": case.name}), flush=True)
        time.sleep(WISHES.get("slow", 0))
        image = image_path(folder, case)
        prediction = write_prediction(image, folder.with_name(f"{case.name}.seg.nrrd"))
        one = {"case": case.name, "image": str(image), "mean_entropy": 0.3 - 0.1 * number, "prediction": str(prediction)}
        images.append(one)
    print(json.dumps({"event": "ranked", "model": option("--model"), "model_sha256": "0" * 64, "images": images}), flush=True)


def train() -> None:
    from Testing.gui.train_examples import EventsOfARun

    EventsOfARun(Path(option("--run")), WISHES.get("steps", 40)).go_on(Path(sys.argv[5]))


def main() -> None:
    command = tuple(sys.argv[3:5])
    known = {("train", "new"): new, ("train", "publish"): publish, ("train", "report"): report, ("train", "run"): train}
    known |= {("cases", "next"): next_case}
    if command in known:
        if command != ("cases", "next"):
            time.sleep(WISHES.get("slow", 0))
        known[command]()
        return
    if command == ("cases", "thumbnails") and not WISHES.get("pictures"):
        return
    from MedSegDLLib.__main__ import main as real

    sys.exit(real(sys.argv[3:]))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main()
