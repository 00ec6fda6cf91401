"""What networks from ImageNet's weights answer: the paper's Figures 6 and 7, without their photographs.

The networks are those of the studies "pretrained" and "pretrained_faces", baseline and lnl with three seeds; one that is not in
the work folder is trained again. Asked are the test images, by kind: species and coat, or gender and age. Of each kind the
probability of the second class (dog, female) is stored for the first image in one order, a rule that sees no answer, and its mean
over all images of the kind. The photographs themselves may not be shown.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from lnl_core.config import RunConfig
from lnl_core.datasets.dogs_cats import GROUP_NAMES
from lnl_core.datasets.faces import AGE_NAMES
from lnl_core.datasets.readers.dogs_cats_files import CLASS_NAMES
from lnl_core.datasets.readers.face_tables import GENDER_NAMES
from lnl_core.evaluation import logits
from lnl_core.experiments.splits import load_data
from lnl_core.figures import first_of_each_kind
from lnl_core.runs.run import load_model, run, run_folder
from tools import ROOT
from tools.studies import pretrained, pretrained_faces
from tools.studies.study import Found, Job, NotReady, Options, Study

FOLDER = Path("results", "answers")
METHODS = ("baseline", "lnl")
SEEDS = (0, 1, 2)
SETTINGS: dict[str, Any] = {"split": "test", "ordered_by_seed": 0}
KINDS = {
    "dogs_cats": [f"{coat} {species}" for species, coat in product(CLASS_NAMES, GROUP_NAMES[:2])],
    "faces": [f"{gender}, {age}" for gender, age in product(GENDER_NAMES, AGE_NAMES)],
}
"""By experiment the names of the kinds, label by label and in a label group by group."""


def networks(root: Path = ROOT) -> Iterator[RunConfig]:
    """The runs whose networks are asked, as far as their strengths are chosen."""
    yield from (config for method, _, config in pretrained.cells(root, SEEDS) if method in METHODS)
    faces = (config for *_, config in pretrained_faces.cells(root))
    yield from (one for one in faces if one.method in METHODS and one.learn == pretrained_faces.CHOSEN_ON)


def measure(config: RunConfig, folder: Path, data_dir: str | None) -> Found:
    """The answers of one network; the images of every seed are those of seed 0, in its order."""
    record = run(config, folder, data_dir=data_dir, progress=False)
    data = load_data(config.with_options(seed=SETTINGS["ordered_by_seed"]), SETTINGS["split"], data_dir)
    names, first = KINDS[config.experiment], first_of_each_kind(data)
    label, group = data.labels.numpy(), data.group.numpy()
    if group.max() > 1 or len(first) != len(names):
        raise NotReady(f"the test set has other kinds than {', '.join(names)}")
    second = logits(load_model(folder), data).softmax(dim=1)[:, 1].numpy()
    kinds = {}
    for name, place in zip(names, first, strict=True):
        those = second[(label == label[place]) & (group == group[place])]
        kinds[name] = {"first": float(second[place]), "mean": float(those.mean()), "images": len(those)}
    found: Found = {"settings": SETTINGS, "record": run_folder("", config).name, "experiment": config.experiment}
    found |= {"method": config.method, "train_set": config.train_set, "seed": config.seed}
    return {**found, "test_accuracy": record.metrics["test_accuracy"], "kinds": kinds}


class Answers(Study):
    name = "answers"
    about = "What networks from ImageNet's weights answer to each kind of photograph, as in Figures 6 and 7."
    settings = SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        named = {run_folder("", config).name: config for config in networks()}
        return [Job(name, ROOT / FOLDER / f"{name}.json", config) for name, config in named.items()]

    def do(self, job: Job, options: Options) -> Found:
        return measure(job.values, run_folder(options.work, job.values), options.data_dir)

    def line(self, found: Found) -> str:
        return ", ".join(f"{name} {values['mean']:.2f}" for name, values in found["kinds"].items())


STUDIES = (Answers(),)
