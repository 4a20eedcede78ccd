"""Speed as a ratio against what people would otherwise use, measured side by side: `python -m benchmarks`."""
