"""Results that PyTorch gave once, stored so that the tests need no torch."""
