"""Models, each short enough to be read as the documentation of how to write one."""

from lamina.models.convnet import ConvNet
from lamina.models.gpt import GPT, next_token_loss
from lamina.models.lenet import LeNet5
from lamina.models.lstm import LSTMLanguageModel
from lamina.models.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet34, resnet50
from lamina.models.sampling import sample

__all__ = [
    "LeNet5",
    "ConvNet",
    "ResNet",
    "BasicBlock",
    "Bottleneck",
    "resnet18",
    "resnet34",
    "resnet50",
    "GPT",
    "LSTMLanguageModel",
    "next_token_loss",
    "sample",
]
