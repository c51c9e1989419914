"""Bitcoin: from an exchange's price bars to a model that says where the next one goes, if it can."""
