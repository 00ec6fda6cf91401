"""Where the colour is: one probe for each place of the feature map, for the networks of "Where the colour hides".

python -m tools.studies.maps WORK     reads the models of a finished `python -m tools.studies.ablations`, writes results/maps/*.json
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lnl_core._files import read_json, write_json
from lnl_core.evaluation import background_places, feature_maps, probe_map
from lnl_core.experiments.splits import load_data
from lnl_core.runs.run import MODEL, load_model, run_folder
from tools import ROOT
from tools.studies.ablations import PLACES, config_of

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--data-dir", default=None)
    arguments = parser.parse_args()
    for name, changes in PLACES.items():
        config = config_of(changes)
        run = run_folder(arguments.work, config)
        if not (run / MODEL).is_file():
            print(f"{name}: no model in {run}", file=sys.stderr)
            continue
        facts = {"variant": name, "record": run_folder(".", config).name, **map_of(run, arguments.data_dir)}
        write_json(FOLDER / f"{config.fingerprint()}.json", facts)
        print(f"{name}: best place {np.max(facts['accuracy']):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
