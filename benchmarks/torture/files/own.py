"""A training that notes each of its steps in a file, and meets with the fault that the environment names."""

import os
import time

import faults
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

STEPS = os.environ["STEPS"]
STEP_SECONDS = float(os.environ.get("STEP_SECONDS", "0.01"))


def net():
    faults.at("model")
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def data(size=256):
    faults.at("data")
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(size, 3, generator=draw)
    tensors = TensorDataset(x, x.sum(1, keepdim=True) + 0.1 * torch.randn(size, 1, generator=draw))
    return Samples(tensors) if "worker" in faults.PLACE else tensors


class Samples(Dataset):
    def __init__(self, tensors):
        self.tensors = tensors
        self.read = 0

    def __len__(self):
        return len(self.tensors)

    def __getitem__(self, index):
        self.read += 1
        if self.read > faults.FROM_SAMPLE:
            faults.at("worker")
        return self.tensors[index]


class Loss(nn.Module):
    """Squared error, of which each backward pass leaves a byte: an evaluation makes none."""

    def forward(self, output, y):
        loss = nn.functional.mse_loss(output, y)
        if loss.requires_grad:
            time.sleep(STEP_SECONDS)
            faults.at(f"step {os.path.getsize(STEPS) + 1 if os.path.exists(STEPS) else 1}")
            loss.register_hook(note)
        return loss


def note(gradient):
    with open(STEPS, "ab") as file:
        file.write(b".")
