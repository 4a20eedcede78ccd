"""Named sets of settings that together reproduce something well known."""

from __future__ import annotations

from typing import Any

#: For every preset its settings, by the names of `charrnn.config`; those not named keep their defaults.
PRESETS: dict[str, dict[str, Any]] = {
    # Karpathy's 112 lines: one stream, one plain layer with one bias, 25 characters of gradient, Adagrad with 1e-8 in
    # its squares. There the loss is summed over the 25 characters, here it is their mean: so 1e-8 divided by 25².
    "min-char-rnn": {
        "cell": "rnn", "hidden_size": 100, "num_layers": 1, "embedding_size": 0, "dropout": 0.0,
        "recurrent_dropout": 0.0, "recurrent_bias": False, "batch_size": 1, "seq_len": 25,
        "optimizer": "adagrad", "lr": 0.1, "initial_accumulator": 1e-8 / 25**2,
        "lr_schedule": "constant", "warmup": 0.0,
        "clip_norm": 0.0, "clip_value": 5.0, "weight_decay": 0.0, "average": 0.0, "garble": 0.0,
        "precision": "f32",
    },
}
