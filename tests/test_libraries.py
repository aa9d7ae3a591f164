"""Models and batches of the libraries that people train with, swept as they are from a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cli import Project
from transformers import BatchEncoding, BatchFeature, BertConfig, BertForSequenceClassification

from lrfind.training.batch import to_device

pytestmark = pytest.mark.slow

BERT = """\
model:
  _target_: transformers.BertForSequenceClassification
  config: {_target_: transformers.BertConfig, num_labels: 2, vocab_size: 8, hidden_size: 16, num_hidden_layers: 1,
           num_attention_heads: 2, intermediate_size: 16, hidden_dropout_prob: 0.0, attention_probs_dropout_prob: 0.0}
data:
  dataset: {_target_: libraries.Reviews, tokenizer: {_target_: libraries.tokenizer}}
  batch_size: 96
  collate_fn: {_target_: transformers.DataCollatorWithPadding, tokenizer: "${data.dataset.tokenizer}"}
optimizer: {_target_: torch.optim.AdamW}
sweep: {start_lr: 1e-6, num_iter: 60}
output: {plot: none}
"""

GPT = """\
model:
  _target_: transformers.GPT2LMHeadModel
  config: {_target_: transformers.GPT2Config, vocab_size: 8, n_positions: 8, n_embd: 16, n_layer: 1, n_head: 2,
           bos_token_id: 0, eos_token_id: 0}
data:
  dataset: {_target_: libraries.Text}
  batch_size: 64
  collate_fn: transformers.default_data_collator
optimizer: {_target_: torch.optim.AdamW}
sweep: {start_lr: 1e-6, num_iter: 60}
output: {plot: none}
"""

GRAPHS = """\
model: {_target_: graphs.GraphNet}
data: {loader: {_target_: graphs.graphs}}
loss: {_target_: torch.nn.CrossEntropyLoss}
optimizer: {_target_: torch.optim.Adam}
sweep: {start_lr: 1e-4, end_lr: 1, num_iter: 40}
output: {plot: none}
"""

RESNET = """\
model: {_target_: torchvision.models.resnet18, num_classes: 2}
data: {dataset: {_target_: libraries.Pictures, boxes: false}, batch_size: 16}
loss: {_target_: torch.nn.CrossEntropyLoss}
optimizer: {_target_: torch.optim.SGD}
sweep: {start_lr: 1e-6, num_iter: 12, max_iter: 12}
output: {plot: none}
"""

DETECTION = """\
model: {_target_: torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn, weights: null,
        weights_backbone: null, num_classes: 3, min_size: 64, max_size: 64, box_batch_size_per_image: 8}
data:
  dataset: {_target_: libraries.Pictures}
  batch_size: 2
  collate_fn: libraries.collate
optimizer: {_target_: torch.optim.SGD}
sweep: {start_lr: 1e-5, end_lr: 1e-2, num_iter: 12, max_iter: 12}
output: {plot: none}
"""


@pytest.fixture
def project(project: Project) -> Project:
    project.bring("libraries")
    return project


def losses(project: Project, config: str, *overrides: str) -> list[float]:
    project.config.write_text(config)
    outcome = project.run("--json", "probes.enabled=false", "sweep.max_iter=10", *overrides)
    assert outcome.code in (0, 3), outcome.err
    swept: list[float] = outcome.json["sweeps"][0]["losses"]  # what is read as JSON is alone on stdout
    assert len(swept) > 10
    return swept


def test_a_bert_classifies_padded_text_of_any_length(project: Project) -> None:
    swept = losses(project, BERT)
    assert swept[0] == pytest.approx(0.69, abs=0.1)
    assert min(swept) < 0.4


def test_a_gpt_learns_its_own_text(project: Project) -> None:
    swept = losses(project, GPT)
    assert swept[0] == pytest.approx(2.08, abs=0.1)
    assert min(swept) < 1


def test_samples_of_equal_length_need_no_collate_fn(project: Project) -> None:
    assert losses(project, GPT, "data.collate_fn=null") == losses(project, GPT)


def test_a_tuple_is_read_like_an_output_with_names(project: Project) -> None:
    step = "step=libraries.logits_and_loss"
    named = losses(project, BERT)
    assert losses(project, BERT, "model.config.return_dict=false") == named
    assert losses(project, BERT, step) == named


def test_the_loss_of_the_config_takes_the_logits_if_the_labels_are_not_the_models(project: Project) -> None:
    loss = "loss._target_=torch.nn.CrossEntropyLoss"
    overrides = (loss, "data.dataset.label=target", "data.collate_fn.return_tensors=pt")
    assert losses(project, BERT, *overrides) == pytest.approx(losses(project, BERT))


def test_a_loss_that_is_not_used_is_named(project: Project) -> None:
    project.config.write_text(BERT)
    outcome = project.run("loss._target_=torch.nn.CrossEntropyLoss")
    assert outcome.code == 0
    outcome.says("loss of the config is not used, as BertForSequenceClassification computes its own; drop loss")


def test_labels_that_the_model_does_not_get_are_missed(project: Project) -> None:
    project.config.write_text(BERT)
    outcome = project.run("data.dataset.label=verdict")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("loss: expected one, got the output of", "logits: a float32 tensor of shape (96, 2)", "verdict")


def test_weights_on_disk_are_fine_tuned(project: Project, tmp_path: Path) -> None:
    config = BertConfig(vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    loading = (
        "model={_target_: transformers.AutoModelForSequenceClassification.from_pretrained, "
        f"pretrained_model_name_or_path: {tmp_path}}}"
    )
    start = BERT[BERT.index("data:") :]
    assert losses(project, start, loading, "sweep.num_iter=20")[0] == pytest.approx(0.69, abs=0.1)


def test_an_argument_that_transformers_does_not_take_is_found_before_anything_runs(project: Project) -> None:
    project.config.write_text(BERT)
    outcome = project.run("model.config.num_lables=3")
    assert (outcome.code, outcome.out) == (2, "")
    outcome.says("model.config.num_lables", "did you mean num_labels?")


def test_a_fault_within_transformers_is_shown_without_its_frames(project: Project) -> None:
    project.config.write_text(BERT)
    outcome = project.run("model.config.vocab_size=2")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says(
        "training step failed: IndexError",
        "input_ids: a int64 tensor of shape (96, 8)",
        "used as model(input_ids=..., attention_mask=..., labels=...)",
    )
    assert "modeling_bert.py" not in outcome.err


def test_an_image_classifier_of_torchvision(project: Project) -> None:
    assert losses(project, RESNET)[0] == pytest.approx(0.69, abs=0.4)


def test_a_detector_of_torchvision_sums_its_losses(project: Project) -> None:
    swept = losses(project, DETECTION)
    assert 1.5 < swept[0] < 2.5  # log 3 for the classes, log 2 for the objects, and the boxes
    assert min(swept) < swept[0]


def test_a_detector_says_what_its_targets_lack(project: Project) -> None:
    project.config.write_text(DETECTION)
    outcome = project.run("data.dataset.boxes=false")
    assert (outcome.code, outcome.out) == (1, "")
    outcome.says("training step failed", "used as model(x1, x2)", "set step to a function of your own")


def test_columns_of_text_are_dropped_as_in_a_trainer(project: Project) -> None:
    columns = "data.dataset._target_=libraries.Columns"
    assert losses(project, BERT, columns) == losses(project, BERT)
    assert project.run(columns).err.count("Columns of text are dropped, as a Trainer does: text, words") == 1


@pytest.mark.filterwarnings("ignore")  # of PyTorch Geometric and timm, as they are imported
def test_a_graph_goes_to_the_arguments_of_the_model_by_name(project: Project) -> None:
    project.bring("graphs")
    assert min(losses(project, GRAPHS)) < 0.3


@pytest.mark.filterwarnings("ignore")
def test_an_optimizer_that_differentiates_twice_gets_the_graph(project: Project) -> None:
    project.bring("graphs")
    assert min(losses(project, GRAPHS, "optimizer._target_=timm.optim.Adahessian")) < 0.3


@pytest.mark.parametrize("kind", [BatchEncoding, BatchFeature])
def test_a_batch_of_transformers_is_moved_whole(kind: Any) -> None:
    moved = to_device(kind({"input_ids": torch.ones(2, 3, dtype=torch.long), "text": "a"}), torch.device("meta"))
    assert type(moved) is kind
    assert moved["input_ids"].device.type == "meta"
    assert moved["text"] == "a"
