"""Weather: temperatures in files that people drop into a landing zone."""
