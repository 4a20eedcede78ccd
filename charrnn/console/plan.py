"""What a run is going to do, in the few lines that are read before it starts."""

from __future__ import annotations

from typing import Any

from charrnn.config import option
from charrnn.console.text import count, duration, plural, size
from charrnn.events import PlanEvent
from charrnn.storage import printable

Rows = list[tuple[str, str]]


def plan_rows(plan: PlanEvent, sources: tuple[str, ...], folder: str) -> Rows:
    """Return the plan as names and values.

    Parameters
    ----------
    sources : names of the texts.
    folder : where the run is saved.
    """
    config = plan.config
    named = ", ".join(printable(name) for name in sources[:3])
    more = f" and {count(len(sources) - 3)} more" if len(sources) > 3 else ""
    split = f"{count(plan.train_characters)} to train on, {count(plan.val_characters)} to validate on"
    if plan.test_characters:
        split += f", {count(plan.test_characters)} left for a test"
    return [
        ("text", named + more),
        ("size", f"{count(plan.characters)} characters, {count(plan.vocab_size)} different ones"),
        ("split", f"{split} ({plan.split})"),
        ("model", f"{architecture(config)}, {count(plan.parameters)} parameters"),
        ("length", f"{_length(plan)}; a step is {plural(config['batch_size'], 'stream')} × "
                   f"{plural(config['seq_len'], 'character')}"),
        ("optimizer", _optimizer(config)),
        *([("why", plan.reason)] if plan.reason else []),
        ("machine", f"{plural(plan.threads, 'thread')}, precision {config['precision']}, "
                    f"about {size(plan.memory)} of memory"),
        ("saved in", printable(folder)),
    ]


def architecture(config: dict[str, Any]) -> str:
    """Return a model's shape in words."""
    layers = f"{count(config['num_layers'])} × {count(config['hidden_size'])} {config['cell'].upper()}"
    below = f"over {embedding} embedded" if (embedding := config["embedding_size"]) else "one-hot"
    below += ", tied" if config.get("tie_weights") else ""
    dropout = "".join(f", {option(name)[2:].replace('-', ' ')} {config[name]:g}"
                      for name in ("dropout", "recurrent_dropout") if config.get(name))
    return f"{layers}, {below}{dropout}"


def _length(plan: PlanEvent) -> str:
    config = plan.config
    limits = []
    if plan.steps is not None:
        about = "" if plan.estimated_seconds is None else f", about {duration(plan.estimated_seconds)}"
        limits.append(plural(plan.steps, "step") + about)
    if config["max_time"] is not None:
        limits.append(f"{duration(config['max_time'])} of training")
    return " or ".join(limits)


def _optimizer(config: dict[str, Any]) -> str:
    """Return the update rule and whatever shapes the update."""
    rate = f" at {config['lr']:g}" if config["lr"] is not None else ""
    text = f"{config['optimizer']}{rate}, {config['lr_schedule']} schedule"
    for name in ("clip_norm", "clip_value", "weight_decay", "average", "garble"):
        if config.get(name):
            text += f", {option(name)[2:].replace('-', ' ')} {config[name]:g}"
    return text
