"""The configuration: one typed, immutable tree for each experiment, read once and passed down.

An experiment is one file `conf/<name>.yaml`: a corpus, and a grid of models x longest training sentence x seed.
`params.yaml` has what all experiments share: the look of figures and the hardware. Unknown keys are refused; an error
names the file, the key and what is allowed.
"""

from lookback.architectures import (
    Adadelta,
    Adam,
    Bahdanau,
    Initialisation,
    Model,
    NetworkSettings,
    Optimiser,
    Output,
    RecurrentCell,
    RNNEncoderDecoder,
    Transformer,
    WordByWord,
)
from lookback.config.corpus import (
    Corpus,
    FilePair,
    FilesCorpus,
    FragmentCorpus,
    FurtherSets,
    HubCorpus,
    Joined,
    Prepare,
    Select,
    SentencePiece,
    Tokenize,
    Words,
)
from lookback.config.experiment import Experiment, Grid, Run
from lookback.config.explaining import explained
from lookback.config.measures import Evaluate, LengthUnit, Probe, Showcase, Speed, Translate, Window, bare_words
from lookback.config.params import Hardware, Params, Report
from lookback.config.reading import load_experiment, load_params, read_yaml
from lookback.config.training import Train
from lookback.settings import Count, Fraction, Name, Normalization, Settings

__all__ = [
    "Adadelta",
    "Adam",
    "Bahdanau",
    "Corpus",
    "Count",
    "Evaluate",
    "Experiment",
    "FilePair",
    "FilesCorpus",
    "Fraction",
    "FragmentCorpus",
    "FurtherSets",
    "Grid",
    "Hardware",
    "HubCorpus",
    "Initialisation",
    "Joined",
    "LengthUnit",
    "Model",
    "Name",
    "NetworkSettings",
    "Normalization",
    "Optimiser",
    "Output",
    "Params",
    "Prepare",
    "Probe",
    "RNNEncoderDecoder",
    "RecurrentCell",
    "Report",
    "Run",
    "Select",
    "SentencePiece",
    "Settings",
    "Showcase",
    "Speed",
    "Tokenize",
    "Train",
    "Transformer",
    "Translate",
    "Window",
    "WordByWord",
    "Words",
    "bare_words",
    "explained",
    "load_experiment",
    "load_params",
    "read_yaml",
]
