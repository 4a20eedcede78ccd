"""The tests of charrnn; `tests.reference` holds the independent implementations they compare with."""
