"""Train a PyTorch network on a table, and export it as one ONNX graph, which later steps and endpoints take as it is.

Training stops when the validation part gets no better, and the best epoch is kept. Of a binary classification the
decision threshold is the one with the highest F1 on the validation part.
"""

import argparse
import copy
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch  # ty: ignore[import-not-found]
from network import TableNetwork

from model_package.documents import write_json
from model_package.package import read_schema
from model_package.provenance import write_lineage
from model_package.rows.encoding import INPUT
from model_package.rows.split import TRAIN, VALIDATION, Part, read_part
from model_package.schema import BINARY_CLASSIFICATION, MULTICLASS_CLASSIFICATION, Decision, Schema
from model_package.statistics.bootstrap import point_values
from model_package.steps.onnx_model import save_graph
from model_package.steps.tracking import record, report_progress
from model_package.tasks import task_of

CHOSEN_BY = "maximum F1 on the validation part"
# Operators that the runtime of environments/serving.conda.yml has.
OPSET = 20
# Values of the matrix, below which threads wait for each other longer than they work.
_SMALL = 5_000_000
_EPOCHS_PER_REPORT = 5
# A threshold where the validation part has one class only.
_EVEN = 0.5

EXAMPLE = (
    "example: python components/train_model/train_model.py --split-data out/split --trained-model out/model --epochs 40"
)

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tuning:
    """The parameters of the training; component.yml states their ranges."""

    epochs: int = 200
    patience: int = 20
    batch_rows: int = 128
    learning_rate: float = 0.003
    weight_decay: float = 0.02
    width: int = 64
    layers: int = 2
    seed: int = 7


def fit(
    train: Part, validation: Part, schema: Schema, tuning: Tuning, log: Callable[[dict[str, float]], None] | None = None
) -> tuple[TableNetwork, int]:
    """Return the network as it was after the best epoch, and that epoch's number, 1 for the first.

    The same seed and rows give the same network on the same kind of machine. `log` receives the main metric of the
    validation part, of the network that would be kept, every few epochs.
    """
    torch.manual_seed(tuning.seed)
    torch.use_deterministic_algorithms(mode=True)
    if train.features.size < _SMALL:
        torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    target = train.target.astype(np.float64)
    network = TableNetwork(schema, train.features, target, [tuning.width] * tuning.layers).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=tuning.learning_rate, weight_decay=tuning.weight_decay)
    rows, held_out = (_tensors(part, device) for part in (train, validation))
    order = torch.Generator().manual_seed(tuning.seed)
    best, kept, epoch_of_best = float("inf"), copy.deepcopy(network.state_dict()), 0
    measured: dict[str, float] = {}
    for epoch in range(1, tuning.epochs + 1):
        network.train()
        for batch in torch.randperm(len(target), generator=order).to(device).split(tuning.batch_rows):
            optimizer.zero_grad()
            network.loss(rows[0][batch], rows[1][batch]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            loss = float(network.loss(*held_out))
        if loss < best:
            best, kept, epoch_of_best = loss, copy.deepcopy(network.state_dict()), epoch
            measured = _main_metric(copy.deepcopy(network).cpu(), validation, schema) if log else {}
        if log and measured and epoch % _EPOCHS_PER_REPORT == 0:
            log(measured)
        if epoch - epoch_of_best >= tuning.patience:
            break
    network.load_state_dict(kept)
    return network.cpu().eval(), epoch_of_best


def _main_metric(network: TableNetwork, validation: Part, schema: Schema) -> dict[str, float]:
    decided = schema.with_decision(Decision(_EVEN, "")) if schema.task == BINARY_CLASSIFICATION else schema
    main = task_of(schema).main_metric
    found = point_values(task_of(decided).prepare(validation.target, answers(network, validation, schema)))
    return {f"held_out_{main}": found[main]} if np.isfinite(found[main]) else {}


def answers(network: TableNetwork, part: Part, schema: Schema) -> Doubles:
    """Return the network's own answers, [rows] or [rows, classes]."""
    with torch.no_grad():
        found = network(torch.from_numpy(part.features)).double().numpy()
    return found if schema.task == MULTICLASS_CLASSIFICATION else found[:, 0]


def export(network: TableNetwork, columns: int, schema: Schema) -> bytes:
    """Return the network as an ONNX graph in one piece, whose number of rows is free."""
    # It logs each package that it could use and does not find.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        network,
        (torch.zeros(2, columns),),
        input_names=[INPUT],
        output_names=[task_of(schema).output],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    # In one piece: weights in a second file would not be part of the package.
    model = program.model_proto
    graph = model.graph
    for each in (*graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        # The exporter notes the lines of code that it came by, with this machine's paths: never the same bytes twice.
        each.ClearField("metadata_props")
    return model.SerializeToString()


def choose_threshold(target: npt.NDArray[np.generic], probability: Doubles) -> float:
    """Return the probability from which a row counts as positive so that F1 is highest.

    It lies half-way to the next lower probability, so that rounding to float32 flips no row.
    """
    if not 0 < target.sum() < len(target):
        return _EVEN
    falling = np.argsort(-probability, kind="stable")
    hits, values = np.cumsum(target[falling]), probability[falling]
    # Rows of equal probability are decided alike: the last of them counts.
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    f1 = 2 * hits[ends] / (ends + 1 + target.sum())
    best = int(f1.argmax())
    lower = values[ends[best + 1]] if best + 1 < len(ends) else 0.0
    return float((values[ends[best]] + lower) / 2)


def _tensors(part: Part, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    target = torch.from_numpy(part.target.astype(np.float32))
    return torch.from_numpy(part.features).to(device), target.to(device)


def main() -> int:
    """Train on the parts of a split and write the graph, with its threshold where it has one."""
    defaults = Tuning()
    parser = argparse.ArgumentParser(description="Train a network and export it to ONNX.", epilog=EXAMPLE)
    parser.add_argument("--split-data", type=Path, required=True, help="folder written by prepare_data")
    parser.add_argument("--trained-model", type=Path, required=True, help="folder for the graph")
    for name, value in asdict(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default: {value}")
    arguments = parser.parse_args()
    tuning = Tuning(**{name: getattr(arguments, name) for name in asdict(defaults)})

    schema = read_schema(arguments.split_data)
    if schema.texts:
        names = ", ".join(feature.name for feature in schema.texts)
        print(
            f"this network reads no texts: ignore {names} in schema.yml, or write a network that does", file=sys.stderr
        )
        return 1
    train, validation = (read_part(arguments.split_data, part, schema) for part in (TRAIN, VALIDATION))
    reports = count(1)
    # A sweep stops a training that falls behind (pipelines/tune.yml).
    network, epoch = fit(train, validation, schema, tuning, lambda found: report_progress(found, next(reports)))
    found = answers(network, validation, schema)
    document: dict[str, Any] = {"tuning": asdict(tuning), "epoch": epoch}
    if schema.task == BINARY_CLASSIFICATION:
        decision = Decision(choose_threshold(validation.target, found), CHOSEN_BY)
        document["decision"], schema = asdict(decision), schema.with_decision(decision)
    measured = point_values(task_of(schema).prepare(validation.target, found))
    document["metrics"] = {f"held_out_{name}": value for name, value in measured.items() if np.isfinite(value)}
    save_graph(export(network, train.features.shape[1], schema), found, arguments.trained_model, schema)
    write_json(arguments.trained_model / "training.json", document)
    write_lineage(arguments.trained_model, arguments.split_data, __file__)
    record({**asdict(tuning), "epoch": epoch}, document["metrics"], step=next(reports))
    print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.4g}" for name, value in document["metrics"].items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
