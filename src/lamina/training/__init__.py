"""Training: the loop, what it records, what it can be told, and weights in files."""

from lamina.errors import TrainingDiverged
from lamina.training import metrics
from lamina.training.callbacks import Callback, EarlyStopping, Snapshot, TrainingState
from lamina.training.checkpointing import Checkpoints
from lamina.training.cross_validation import CrossValidation, cross_validate
from lamina.training.evaluation import evaluate, predict
from lamina.training.fitting import fit
from lamina.training.history import EpochRecord, History
from lamina.training.json_lines import JSONLines
from lamina.training.lr_finder import LearningRates, find_lr
from lamina.training.states import load_state, save_state
from lamina.training.tensorboard import TensorBoard
from lamina.training.weight_files import load, read_metadata, read_state_dict, save

__all__ = [
    # the loop
    "fit", "evaluate", "predict",
    # around it
    "cross_validate", "CrossValidation", "find_lr", "LearningRates",
    # what it records and can be told
    "History", "EpochRecord", "Callback", "TrainingState", "Snapshot", "EarlyStopping", "TrainingDiverged",
    # metrics, and logs of them
    "metrics", "JSONLines", "TensorBoard",
    # weights in files, and the whole state
    "Checkpoints", "save", "load", "read_state_dict", "read_metadata", "save_state", "load_state",
]  # fmt: skip
