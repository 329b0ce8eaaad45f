"""The network of a table: from the model's input as it is served to its answer, so that one graph holds all of it.

Missing values, scales and codes are handled inside the graph, so its callers need no other code.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch  # ty: ignore[import-not-found]
from torch import Tensor, nn  # ty: ignore[import-not-found]

from model_package.schema import BINARY_CLASSIFICATION, REGRESSION, Schema

Floats = npt.NDArray[np.float32]

# Standard deviations: a value further away counts as this far.
_FURTHEST = 6.0


class TableNetwork(nn.Module):
    """A multilayer perceptron of a table's columns.

    Numbers [rows] become a standardised value, 0 where it is missing, and whether it is; codes of categories and
    booleans a column per code, all 0 where it is missing. `forward` is what is served; `raw` is what is trained:
    logits, or the target in standard deviations.
    """

    def __init__(
        self, schema: Schema, features: Floats, target: npt.NDArray[np.float64], hidden: Sequence[int]
    ) -> None:
        """Take scales from the training rows: features [rows, columns], target [rows]."""
        super().__init__()
        self.task = schema.task
        codes = [feature.codes for feature in schema.features for _ in feature.matrix_columns]
        self.coded = [at for at, known in enumerate(codes) if known is not None]
        self.numbers = [at for at, known in enumerate(codes) if known is None]
        mean, scale = _scales(features[:, self.numbers])
        self.register_buffer("number_columns", torch.tensor(self.numbers, dtype=torch.int64))
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        for at in self.coded:
            self.register_buffer(f"codes_{at}", torch.tensor([codes[at]], dtype=torch.float32))
        is_number = schema.task == REGRESSION
        self.centre = float(target.mean()) if is_number else 0.0
        self.spread = (float(target.std()) or 1.0) if is_number else 1.0
        width = 2 * len(self.numbers) + sum(len(codes[at] or ()) for at in self.coded)
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(width, size), nn.SiLU()]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, len(schema.classes) or 1))

    def raw(self, features: Tensor) -> Tensor:
        """Return what the loss is taken of, [rows, outputs]."""
        numbers = features.index_select(1, self.get_buffer("number_columns"))
        is_missing = torch.isnan(numbers)
        scaled = torch.clamp((numbers - self.get_buffer("mean")) / self.get_buffer("scale"), -_FURTHEST, _FURTHEST)
        parts = [torch.where(is_missing, torch.zeros_like(scaled), scaled), is_missing.to(features.dtype)]
        for at in self.coded:
            known = self.get_buffer(f"codes_{at}")
            parts.append((features[:, at : at + 1] == known).to(features.dtype))
        return self.layers(torch.cat(parts, dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the answer [rows, outputs] as the schema's task has it."""
        raw = self.raw(features)
        if self.task == REGRESSION:
            return raw * self.spread + self.centre
        return torch.sigmoid(raw) if self.task == BINARY_CLASSIFICATION else torch.softmax(raw, dim=1)

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss of rows: squared error in standard deviations, or log loss. `target` is float [rows]."""
        raw = self.raw(features)
        if self.task == REGRESSION:
            return nn.functional.mse_loss(raw[:, 0], (target - self.centre) / self.spread)
        if self.task == BINARY_CLASSIFICATION:
            return nn.functional.binary_cross_entropy_with_logits(raw[:, 0], target)
        return nn.functional.cross_entropy(raw, target.long())


def _scales(numbers: Floats) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per column [columns]; 0 and 1 where no value, or only one, is known."""
    known = np.ma.masked_invalid(numbers.astype(np.float64))
    mean = np.ma.filled(known.mean(axis=0), 0.0)
    scale = np.ma.filled(known.std(axis=0), 1.0)
    scale = np.where(scale > 0, scale, 1.0)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(scale, dtype=torch.float32)
