"""charrnn: a character-level recurrent language model for the CPU."""

__version__ = "0.1.0"
