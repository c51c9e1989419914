"""The forest data API: random samples of the covertype data set, one batch after another, for ten groups."""
