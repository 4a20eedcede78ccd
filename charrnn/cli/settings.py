"""What the options that come from the configurations say in the help."""

from __future__ import annotations

from charrnn.cli.options import DURATION, INTERVAL, Setting
from charrnn.config import DEFAULT_BETA1, DEFAULT_EPOCHS

TEXT = {
    "encoding": Setting("Encoding of the texts; byte order marks are recognised.", metavar="NAME"),
    "errors": Setting("Invalid bytes: strict stops, replace puts U+FFFD in their place, ignore drops them.",
                      metavar="HOW"),
    "bytes": Setting("Learn bytes, not characters; decode nothing."),
    "normalize": Setting("Unicode normalisation of the texts."),
}
HELD_OUT = {
    "val_fraction": Setting("Share of the text held out for validation."),
    "test_fraction": Setting("Share of the text left untouched, for a test of your own."),
    "split": Setting("What is held out: the end of the text (tail), or of each parallel stream (stream). "
                     "Losses under the two cannot be compared."),
}
MODEL = {
    "cell": Setting("Recurrent cell; lnlstm is an LSTM with a normalised output."),
    "hidden_size": Setting("Units in each layer."),
    "num_layers": Setting("Layers on top of each other."),
    "embedding_size": Setting("Length of a learned vector for each character; 0: one-hot."),
    "dropout": Setting("Probability of leaving out an output of a layer, or an element of an embedding, in training."),
    "recurrent_dropout": Setting("Probability of leaving out a recurrent weight in training, anew for every update."),
    "tie_weights": Setting("The same weights for a character's learned vector and for its output."),
    "recurrent_bias": Setting("A bias of its own for the recurrent product, as in PyTorch."),
}
OPTIMIZATION = {
    "batch_size": Setting("Parallel streams that the text is cut into."),
    "seq_len": Setting("Characters that the gradient flows back through."),
    "optimizer": Setting("Update rule; cadamw is adamw without the steps that go against the newest gradient."),
    "lr": Setting("Highest learning rate."),
    "beta1": Setting("Decay of the average gradient (cadamw, adamw, adam); momentum of sgd.",
                     unset=f"{DEFAULT_BETA1['cadamw']:g} for cadamw, else {DEFAULT_BETA1['adamw']:g}"),
    "beta2": Setting("Decay of the average squared gradient (cadamw, adamw, adam, rmsprop)."),
    "initial_accumulator": Setting("What Adagrad's sums of squares start from."),
    "lr_schedule": Setting("Course of the learning rate."),
    "warmup": Setting("Share of the run in which the learning rate rises from 0."),
    "clip_norm": Setting("Limit on the norm of the gradient; 0: none."),
    "clip_value": Setting("Limit on each element of the gradient of a window's summed loss; 0: none."),
    "weight_decay": Setting("Pull of the weights towards 0; biases are left alone."),
    "average": Setting("Evaluate, save and sample the weights' average over about this share of the steps so far; "
                       "0: the newest weights."),
    "garble": Setting("Share of the training text to replace by noise, so that other text surprises the model less."),
    "seed": Setting("Decides all that is random."),
}
LENGTH = {
    "epochs": Setting("Stop after so many passes over the text.", unset=f"{DEFAULT_EPOCHS:g}, without other limits"),
    "max_steps": Setting("Stop after so many steps.", unset="no limit"),
    "max_time": Setting("Stop after this time, compiling not counted: 90 or 90s, 15m, 2h, 1h30m.", unset="no limit",
                        type=DURATION, metavar="TIME"),
    "patience": Setting("Stop after so many evaluations without a better loss.", unset="never"),
}
INTERVALS = {
    "eval_every": Setting("Steps between evaluations.", unset="about 20 in a run"),
    "save_every": Setting("Steps between checkpoints, or a time: 90s, 15m, 1h. Each evaluation saves as well.",
                          unset="10m", type=INTERVAL, metavar="N|TIME"),
    "sample_every": Setting("Steps between samples.", unset="about 20 in a run"),
}
MACHINE = {
    "threads": Setting("CPU threads; no result depends on them.", unset="all there are"),
    "precision": Setting("Of matrix products: bf16 where the CPU has it (auto), or f32."),
}
SAMPLED_TEXT = {
    "length": Setting("Characters to generate, the prime not counted."),
    "num_samples": Setting("Texts to generate, all at once."),
    "stop": Setting("End a text after this (repeatable).", metavar="TEXT"),
    "until_line": Setting("End a text after N line ends.", unset="no limit"),
}
CHOICE = {
    "temperature": Setting("Below 1: more predictable; above 1: more surprising."),
    "argmax": Setting("Always take the most probable character."),
    "top_k": Setting("Draw from the N most probable characters; 0: from all."),
    "top_p": Setting("Draw from the most probable characters that together reach this probability."),
    "min_p": Setting("Draw from characters at least this share as probable as the most probable one."),
    "beam": Setting("Draw nothing: search for the most probable text, N beginnings at a time; 0: draw."),
}
WRITING = {
    "precision": Setting("Of matrix products: f32; bf16, faster on CPUs that have it, but rounded; or auto, bf16 where "
                         "the CPU has it."),
}
#: The ways to deal with unknown characters, spelt out again since their module needs NumPy.
ON_UNKNOWN = ("error", "skip", "nearest")
