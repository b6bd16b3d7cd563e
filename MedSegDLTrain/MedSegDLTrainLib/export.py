"""From a run to a model folder: the averaged weights in half precision, and their SHA-256 on the card.

python -m MedSegDLTrainLib.export RUN MODEL_FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from MedSegDLLib.atomic import written_beside
from MedSegDLLib.checkpoint import save_weights
from MedSegDLLib.checksums import sha256_of
from MedSegDLLib.errors import MedSegDLError, ModelError
from MedSegDLLib.model_card import CARD_FILE, WEIGHTS_FILE, ModelCard
from MedSegDLLib.strict_json import read_json, to_json
from MedSegDLTrainLib.checkpoints import load_checkpoint, new_state
from MedSegDLTrainLib.job import read_job
from MedSegDLTrainLib.train import JOB_FILE


def export_weights(run: Path, model_folder: Path) -> str:
    """Write the run's averaged weights (float16) into a model folder that has a card, and return their SHA-256.

    The card's network must be the job's; its `weights_sha256` is brought up to date. Raises ModelError otherwise.
    """
    job = read_job(run / JOB_FILE)
    card = read_json(ModelCard, model_folder / CARD_FILE, ModelError)
    if (card.network, card.preprocessing) != (job.network, job.preprocessing):
        raise ModelError(f"The card in {model_folder} describes another network or preparation than the job of {run}.")
    state = new_state(job)
    load_checkpoint(state, run)
    save_weights(state.average, model_folder / WEIGHTS_FILE, torch.float16)
    digest = sha256_of(model_folder / WEIGHTS_FILE)
    document = to_json(card) | {"weights_sha256": digest}
    with written_beside(model_folder / CARD_FILE) as part:
        part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return digest


if __name__ == "__main__":
    try:
        print(export_weights(Path(sys.argv[1]), Path(sys.argv[2])))
    except MedSegDLError as error:
        sys.exit(str(error))
