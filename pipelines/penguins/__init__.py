"""Penguins: from a small file with defects to a model that names the species."""
