"""The straightforward trainer that `lnl bench` measures against: a DataLoader, PIL for every image, two passes a step, float32.

    python benchmarks/reference.py METHOD IMAGES.npz     trains one epoch and prints its seconds

It is written the way a careful reader would first write the paper's experiment down, layer by layer, with the library's networks'
sizes. Nothing here is slowed down on purpose. It runs in a process of its own and uses nothing of lnl_core.
"""

import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import normalize, to_tensor


def networks() -> tuple[nn.Module, nn.Module]:
    """f (with normalised images as its input) and g."""
    extractor = nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
    )
    label_head = nn.Sequential(
        nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AvgPool2d(7), nn.Flatten(), nn.Linear(64, 10),
    )
    return extractor, label_head


class PerImageDataset(Dataset):
    """Colour images (N, 28, 28, 3) uint8; labels and bias labels are made image by image, as in the authors' loader."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        image = Image.fromarray(self.images[index])
        small = np.array(image.resize((14, 14), Image.Resampling.NEAREST)).transpose(2, 0, 1)
        bias = (small // 32).astype(np.int64)
        bias[small == 0] = 255
        return (
            normalize(to_tensor(image), [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]),
            torch.from_numpy(bias),
            int(self.labels[index]),
        )


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -0.1 * gradient


def bias_head() -> nn.Module:
    return nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 8, 3, padding=1))


def train_epoch(images: np.ndarray, labels: np.ndarray, method: str, seed: int = 0) -> float:
    """One epoch of "baseline" or "lnl"; returns the last label loss."""
    torch.manual_seed(seed)
    extractor, label_head = networks()
    bias_heads = nn.ModuleList(bias_head() for _ in range(3))
    main = torch.optim.SGD([*extractor.parameters(), *label_head.parameters()], lr=0.01, momentum=0.9, weight_decay=5e-4)
    adversary = torch.optim.SGD(bias_heads.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    loss = torch.zeros(())
    for x, b, y in DataLoader(PerImageDataset(images, labels), batch_size=128, shuffle=True):
        main.zero_grad()
        adversary.zero_grad()
        features = extractor(x)
        loss = F.cross_entropy(label_head(features), y)
        total = loss
        if method == "lnl":
            for head in bias_heads:
                log_q = F.log_softmax(head(features), dim=1)
                total = total + 0.01 / 3 * (log_q.exp() * log_q).sum(1).mean()
        total.backward()
        main.step()
        if method == "lnl":
            main.zero_grad()
            adversary.zero_grad()
            features = Reverse.apply(extractor(x))
            sum(
                F.cross_entropy(head(features), b[:, channel], ignore_index=255) for channel, head in enumerate(bias_heads)
            ).backward()
            main.step()
            adversary.step()
    return float(loss.detach())


if __name__ == "__main__":
    data = np.load(sys.argv[2], allow_pickle=False)
    train_epoch(data["images"][:512], data["labels"][:512], sys.argv[1])
    started = time.perf_counter()
    train_epoch(data["images"], data["labels"], sys.argv[1])
    print(time.perf_counter() - started)
