"""Where the colour is: one probe for each place of the feature map, for the networks of "Where the colour hides"."""

from pathlib import Path
from typing import Any

import numpy as np

from lnl_core._files import read_json
from lnl_core.evaluation import background_places, feature_maps, probe_map
from lnl_core.experiments.splits import load_data
from lnl_core.runs.run import MODEL, load_model, run_folder
from tools import ROOT
from tools.studies.ablations import PLACES, config_of
from tools.studies.study import Found, Job, NotReady, Options, Study

FOLDER = ROOT / "results" / "maps"
IMAGES = 4000


def map_of(run: Path, data_dir: str | None = None) -> dict[str, Any]:
    """Accuracies (14, 14) of fresh linear probes of the group of the colour, and the share of images with background at a place."""
    network = load_model(run)
    config = config_of({})
    data = load_data(config, config.train_split, data_dir, random_colors=True).subset(slice(0, IMAGES))
    features = feature_maps(network, data)
    background = background_places(data.images, (features.shape[2], features.shape[3]))
    return {
        "accuracy": np.round(probe_map(features, data.group), 4).tolist(),
        "background": np.round(background.double().mean(0).numpy(), 4).tolist(),
        "images": len(data),
    }


def read_maps(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """The maps that are there, by the name of the variant, in the order of the table."""
    found = {}
    for name, changes in PLACES.items():
        path = root / "results" / "maps" / f"{config_of(changes).fingerprint()}.json"
        if path.is_file():
            found[name] = read_json(path, "restore it from the repository")
    return found


class Maps(Study):
    name = "maps"
    about = "Where on the feature map a probe finds the colour, of the networks of the study ablations."

    def jobs(self, options: Options) -> list[Job]:
        named = {config_of(changes).fingerprint(): name for name, changes in PLACES.items()}
        return [Job(name, FOLDER / f"{fingerprint}.json") for fingerprint, name in named.items()]

    def do(self, job: Job, options: Options) -> Found:
        run = run_folder(options.work, config_of(PLACES[job.key]))
        if not (run / MODEL).is_file():
            raise NotReady(f"there is no model in {run}: run the study ablations first")
        return {"variant": job.key, "record": run.name, **map_of(run, options.data_dir)}

    def line(self, found: Found) -> str:
        return f"best place {np.max(found['accuracy']):.3f}"


STUDIES = (Maps(),)
