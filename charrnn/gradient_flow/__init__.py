"""How far gradients get back through time: measured, with what makes them vanish or explode."""
