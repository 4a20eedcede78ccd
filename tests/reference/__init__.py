"""Independent implementations that charrnn is tested against: float64, plain NumPy, clear before fast.

Nothing here imports charrnn, so a mistake there cannot hide here. In reading order:

- `network`: the whole model, forward and backward through time;
- `optimizers`: update rules, gradient clipping, learning-rate schedules;
- `min_char_rnn`: the algorithm that `--preset min-char-rnn` stands for;
- `differences`: numerical gradients, the judge of all the backward passes;
- `pytorch`: the same model out of PyTorch's own layers (needs torch).
"""
