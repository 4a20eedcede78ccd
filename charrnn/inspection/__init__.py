"""Finds single units that follow a feature of the text, and says how strong the evidence is."""
