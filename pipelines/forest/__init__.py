"""Forest cover: from samples of the covertype data to a model that names the cover type of a place."""
