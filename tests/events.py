"""A training run's events, made up for the tests of what is shown."""

from __future__ import annotations

from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.console.reports import Run
from charrnn.events import DoneEvent, EvalEvent, PlanEvent, StepEvent

RUN = Run(sources=("fox.txt",), folder="checkpoints/my fox",
          resume=("charrnn", "train", "fox.txt", "--resume", "--out", "checkpoints/my fox"))


def plan(**changes: object) -> PlanEvent:
    """Return a plan, with settings of its own, so that tests do not depend on the defaults."""
    settings = {"batch_size": 50, "seq_len": 64, "lr": 0.002, "clip_norm": 1.0, "clip_value": 0.0, "weight_decay": 0.01}
    settings |= {name: value for name, value in changes.items() if name in TrainConfig.__dataclass_fields__}
    train = TrainConfig(optimizer="adamw", lr_schedule="cosine", **settings)  # type: ignore[arg-type]
    model = ModelConfig(vocab_size=65, hidden_size=256, num_layers=2)
    return PlanEvent(characters=1_115_394, train_characters=1_003_854, val_characters=111_540, test_characters=0,
                     vocab_size=65, parameters=870_465, steps=changes.get("steps", 3_140),  # type: ignore[arg-type]
                     threads=2, memory=120_000_000, split="tail",
                     config=model.to_json() | train.to_json() | TextConfig().to_json())


def step(number: int = 785, progress: float = 0.25) -> StepEvent:
    """Return a step."""
    return StepEvent(step=number, epoch=2.5, loss=1.62345, lr=0.002, grad_norm=0.3, chars_per_second=412_345.0,
                     seconds=60.0, progress=progress)


def evaluated(best: bool = True) -> EvalEvent:
    """Return an evaluation."""
    return EvalEvent(step=785, epoch=2.5, val_loss=1.71234, bpc=2.47, best=best, seconds=61.0)


def done(reason: str = "epochs", best: float | None = 1.5123) -> DoneEvent:
    """Return the end of a run."""
    return DoneEvent(reason=reason, step=3_140, best_val_loss=best, seconds=245.0, chars_per_second=410_000.0,
                     path="checkpoints/my fox")
