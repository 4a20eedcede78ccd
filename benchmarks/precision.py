"""python -m benchmarks.precision TEXT [STEPS]: the losses of two runs that differ in nothing but the precision.

Both runs are evaluated ten times, in float32; what is printed is the held-out loss (tail split) of each, and by how
much they differ.
"""

from __future__ import annotations

import sys
import tempfile

import charrnn
from charrnn.events import EvalEvent


def losses(text: str, steps: int, precision: str) -> list[tuple[int, float]]:
    """Return (step, held-out loss) of a run with the default settings."""
    with tempfile.TemporaryDirectory() as folder:
        run = charrnn.train(text, out=f"{folder}/run", max_steps=steps, eval_every=max(steps // 10, 1), seed=1,
                            precision=precision)
        return [(event.step, event.val_loss) for event in run if isinstance(event, EvalEvent)]


def main() -> None:
    """Print one line for each evaluation."""
    text, steps = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    print(f"{'step':>6} {'f32':>8} {'bf16':>8} {'bf16 - f32':>11}")
    pairs = list(zip(losses(text, steps, "f32"), losses(text, steps, "bf16")))
    for (step, exact), (_, rounded) in pairs:
        print(f"{step:>6} {exact:>8.4f} {rounded:>8.4f} {rounded - exact:>+11.4f}")
    print(f"largest difference: {max(abs(exact - rounded) for (_, exact), (_, rounded) in pairs):.4f}")


if __name__ == "__main__":
    main()
