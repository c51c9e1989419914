"""Weather: whether it rains, learned from what stations measure."""
