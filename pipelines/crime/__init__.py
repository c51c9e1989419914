"""Chicago crime: from the city's open data to a model of whether a reported crime ends in an arrest."""
