"""The Socrata Open Data API (SODA 2.1) with two data sets of Chicago: crimes and police stations."""
