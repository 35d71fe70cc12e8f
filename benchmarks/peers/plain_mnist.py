"""The peer: MNIST as a plain PyTorch script trains it, to 99 % on the test set.

The network, optimiser and batch size of PyTorch's own MNIST example (two convolutions, dropout, Adadelta at 1.0, decay
0.7 an epoch, batch 64), images transformed one by one in a Dataset and gathered by a DataLoader, torch's default
threads. It knows nothing of Convoscope; the transforms are torchvision's ToTensor and Normalize written out.

    python plain_mnist.py FOLDER SEED      FOLDER holds the four .gz IDX files; prints one JSON object
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class Mnist(Dataset[tuple[Tensor, int]]):
    """One split; each image goes through PIL, as an image dataset's does."""

    def __init__(self, folder: Path, part: str) -> None:
        pixels = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        self.images = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28)
        self.labels = np.frombuffer(labels, np.uint8, offset=8)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.images[i])
        tensor = torch.from_numpy(np.array(image)).unsqueeze(0).to(torch.float32).div(255)
        return (tensor - 0.1307) / 0.3081, int(self.labels[i])


class Net(nn.Module):
    """Two convolutions, one pool, two fully connected layers: 1,199,882 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) to log-probabilities (N, 10)."""
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = self.dropout1(F.max_pool2d(x, 2)).flatten(1)
        x = self.dropout2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def main(folder: Path, seed: int, goal: float = 0.99, most_epochs: int = 14) -> None:
    torch.manual_seed(seed)
    train = DataLoader(Mnist(folder, "train"), batch_size=64, shuffle=True)
    test = DataLoader(Mnist(folder, "t10k"), batch_size=1000)
    model = Net()
    optimiser = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1, gamma=0.7)
    seconds, accuracy, epoch = 0.0, 0.0, 0
    while accuracy < goal and epoch < most_epochs:
        begin = time.perf_counter()
        model.train()
        for x, labels in train:
            optimiser.zero_grad()
            F.nll_loss(model(x), labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        seconds += time.perf_counter() - begin  # testing is not counted
        scheduler.step()
        epoch += 1
        model.eval()
        with torch.no_grad():
            right = sum(int((model(x).argmax(1) == labels).sum()) for x, labels in test)
        accuracy = right / 10_000
    print(json.dumps({"seconds": seconds, "epochs": epoch, "accuracy": accuracy, "seed": seed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
