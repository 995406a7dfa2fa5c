"""PyTorch's side of training_step.py: Inception-v1 I3D, one SGD step for every line on stdin.

    python benchmarks/torch_i3d.py clips.npz float32

The second argument is float32 or bfloat16, in which convolutions compute (torch.autocast); float32 is TF32 on a GPU
that has it, as in TensorFlow and JAX.

It imports only torch and NumPy, so that it can run in an environment of its own. `clips.npz` holds "frames", uint8
(batch, T, height, width, 3), "labels" (batch,), and "num_classes". Each line on stdin is the number of frames to train
on. The answer is a JSON line with the milliseconds of the step and its loss. The first line that it writes names the
versions.
"""

import json
import sys
import time

import numpy as np
import torch
from torch import nn

# Branches of the Inception blocks; None is a pool of 3 x 3 x 3 with stride 2, "last" one of 2 x 2 x 2.
_MIXED = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    "last",
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def unit(channels, filters, kernel_size=1, stride=1):
    """Convolution without bias, batch norm, ReLU."""
    convolution = nn.Conv3d(channels, filters, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(filters, eps=1e-3, momentum=0.001), nn.ReLU(inplace=True))


class Inception(nn.Module):
    """Four branches, side by side in the channels."""

    def __init__(self, channels, filters):
        super().__init__()
        one, reduce_3, three, reduce_5, five, pool = filters
        self.branches = nn.ModuleList(
            [
                unit(channels, one),
                nn.Sequential(unit(channels, reduce_3), unit(reduce_3, three, 3)),
                nn.Sequential(unit(channels, reduce_5), unit(reduce_5, five, 3)),
                nn.Sequential(nn.MaxPool3d(3, 1, 1), unit(channels, pool)),
            ]
        )

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class I3D(nn.Module):
    """Inception-v1 I3D: (batch, 3, T, height, width) -> logits (batch, num_classes)."""

    def __init__(self, num_classes):
        super().__init__()
        layers = [unit(3, 64, 7, 2), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))]
        layers += [unit(64, 64), unit(64, 192, 3), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))]
        channels = 192
        for filters in _MIXED:
            if filters is None:
                layers.append(nn.MaxPool3d(3, 2, 1))
            elif filters == "last":
                layers.append(nn.MaxPool3d(2, 2, ceil_mode=True))
            else:
                layers.append(Inception(channels, filters))
                channels = filters[0] + filters[2] + filters[4] + filters[5]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Conv3d(channels, num_classes, 1))

    def forward(self, x):
        x = self.features(x)
        x = nn.functional.avg_pool3d(x, tuple(min(n, m) for n, m in zip((2, 7, 7), x.shape[2:], strict=True)), stride=1)
        return self.head(x).mean(dim=(2, 3, 4))


def main():
    with np.load(sys.argv[1]) as arrays:
        frames, labels, num_classes = arrays["frames"], arrays["labels"], int(arrays["num_classes"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = I3D(num_classes).to(device, memory_format=torch.channels_last_3d).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-7)
    frames = torch.from_numpy(frames).to(device)
    labels = torch.from_numpy(labels).long().to(device)
    torch.backends.cudnn.benchmark = True
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    described = {"torch": torch.__version__, "device": name, "threads": torch.get_num_threads()}
    print(json.dumps(described | {"parameters": sum(value.numel() for value in model.parameters())}), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        # (batch, T, H, W, 3) is what channels_last_3d stores for (batch, 3, T, H, W).
        inputs = (frames[:, : int(line)].float() / 127.5 - 1.0).permute(0, 4, 1, 2, 3)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=sys.argv[2] == "bfloat16"):
            logits = model(inputs)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()
        optimizer.step()
        value = loss.item()
        print(json.dumps({"milliseconds": 1e3 * (time.perf_counter() - began), "loss": value}), flush=True)


if __name__ == "__main__":
    main()
