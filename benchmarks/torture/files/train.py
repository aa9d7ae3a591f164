"""The training of own.py as a script."""

import os

import own
import torch
from torch.utils.data import DataLoader

model = own.net()
loss_fn = own.Loss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = own.data(2048)  # so many that no probe sees a sample twice, and lrfind holds none out in updates of their own
loader = DataLoader(data, batch_size=64, shuffle=True, num_workers=int(os.environ.get("WORKERS", "0")))
for _ in range(4):
    for x, y in loader:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
