"""The networks of the tasks, and the losses that torch does not bring along. All are called as loss(model(x), y)."""

from accuracy.models.dense import VAE, Coordinates, PairEncoder, TabularResNet, mlp
from accuracy.models.finetuning import adapted, pretrained, pretrained_cnn
from accuracy.models.losses import ContrastiveLoss, DistillationLoss, GaussianLoss, TripletLoss, VAELoss
from accuracy.models.pictures import Inpainter, Mixer, ViT, cnn, group_cnn, preact_resnet, resnet, separable_cnn
from accuracy.models.sequences import (
    ByteCNN,
    CharRNN,
    CharTransformer,
    Forecaster,
    TripletEncoder,
    WordLSTM,
    WordPairs,
    WordTransformer,
    bag_of_words,
    char_mlp,
)

__all__ = [
    "VAE",
    "ByteCNN",
    "CharRNN",
    "CharTransformer",
    "ContrastiveLoss",
    "Coordinates",
    "DistillationLoss",
    "Forecaster",
    "GaussianLoss",
    "Inpainter",
    "Mixer",
    "PairEncoder",
    "TabularResNet",
    "TripletEncoder",
    "TripletLoss",
    "VAELoss",
    "ViT",
    "WordLSTM",
    "WordPairs",
    "WordTransformer",
    "adapted",
    "bag_of_words",
    "char_mlp",
    "cnn",
    "group_cnn",
    "mlp",
    "preact_resnet",
    "pretrained",
    "pretrained_cnn",
    "resnet",
    "separable_cnn",
]
